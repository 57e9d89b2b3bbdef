// Spans of OpenTelemetry's SDK for Node through one of its exporters; what it says it sent is printed as one line of JSON.
//   node otlp_senders.mjs NODE_MODULES grpc|proto|http URL
import { createRequire } from "node:module";
import path from "node:path";

const [modules, kind, url] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "here.js"));
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-node");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { SpanKind, SpanStatusCode, trace, context } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);

const sent = [];
const exporter = new OTLPTraceExporter({ url });
const checked = {
  export(spans, done) {
    exporter.export(spans, (result) => {
      if (result.code !== 0) {
        console.error(result.error);
        process.exit(1);
      }
      sent.push(...spans);
      done(result);
    });
  },
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush?.(),
};
const processor = new BatchSpanProcessor(checked, { maxExportBatchSize: 64, maxQueueSize: 10000, scheduledDelayMillis: 50 });
const provider = new BasicTracerProvider({ resource: resourceFromAttributes({ "service.name": `node-${kind}` }), spanProcessors: [processor] });
const tracer = provider.getTracer("senders", "1.0");
for (let nth = 0; nth < 100; nth++) {
  const parent = tracer.startSpan(`GET /${nth}`, { kind: SpanKind.SERVER });
  parent.setAttributes({ "http.route": "/é", n: nth, ratio: 0.5, ok: nth % 2 === 0, words: ["a", "é"] });
  const child = tracer.startSpan("query", { kind: SpanKind.CLIENT, links: [{ context: parent.spanContext() }] }, trace.setSpan(context.active(), parent));
  child.addEvent("begun", { rows: nth });
  child.setStatus({ code: SpanStatusCode.ERROR, message: "no rows" });
  child.end();
  parent.end();
}
await provider.forceFlush();
await provider.shutdown();

const nanos = ([seconds, rest]) => BigInt(seconds) * 1_000_000_000n + BigInt(rest);
const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const attributes = (of) => Object.fromEntries(Object.entries(of ?? {}).map(([key, value]) => [key, text(value)]));
const statuses = ["", "ok", "error"];
const rows = sent.map((span) => ({
  trace_id: span.spanContext().traceId, span_id: span.spanContext().spanId,
  parent_span_id: span.parentSpanContext?.spanId ?? "", name: span.name, kind: SpanKind[span.kind].toLowerCase(),
  service: `node-${kind}`, status: statuses[span.status.code], status_message: span.status.message ?? "",
  start_unix_nanos: nanos(span.startTime), duration_nanos: nanos(span.endTime) - nanos(span.startTime),
  attributes: attributes(span.attributes),
  events: span.events.map((event) => [nanos(event.time), event.name, attributes(event.attributes)]),
  links: span.links.map((link) => [link.context.traceId, link.context.spanId]),
}));
// Nanoseconds are beyond what a number of JavaScript holds, and JSON has no larger ones: they are written as they are.
const json = JSON.stringify(rows, (_, value) => (typeof value === "bigint" ? `bigint:${value}` : value));
console.log(json.replace(/"bigint:(-?\d+)"/g, "$1"));
