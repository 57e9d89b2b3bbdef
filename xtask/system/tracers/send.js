// Sends spans with a client of the field, and prints each that it says it sent as a line of JSON:
//
//     node send.js CLIENT PORT [PORT]
//
// Finds its packages by NODE_PATH: see `xtask/src/setup.rs`.
"use strict";
const [client, port, second] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function sent(trace, span, parent, service, name, kind, tags = {}) {
  const texts = Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, String(value)]));
  const id = (digits, length) => (digits ? digits.padStart(length, "0") : "");
  console.log(JSON.stringify({ trace: id(trace, 32), span: id(span, 16), parent: id(parent, 16), service, name, kind, tags: texts }));
}

const clients = {
  // npm jaeger-client 3.19: compact over UDP, strategies from the remote sampler.
  async jaeger_client() {
    const { initTracer } = require("jaeger-client");
    const logger = { info() {}, error(text) { console.error(text); } };
    const tracer = initTracer({
      serviceName: "js-jaeger",
      sampler: { type: "remote", param: 0, host: "127.0.0.1", port: second, refreshIntervalMs: 200 },
      reporter: { agentHost: "127.0.0.1", agentPort: port, flushIntervalMs: 200 },
    }, { logger });
    for (let nth = 0; nth < 100 && !clients.sampled; nth++) {
      await wait(100);
      const span = tracer.startSpan("first");
      clients.sampled = span.context().isSampled();
      span.finish();
      if (clients.sampled) sent(span.context().traceIdStr, span.context().spanIdStr, "", "js-jaeger", "first", "");
    }
    if (!clients.sampled) throw new Error("the remote sampler has no strategy");
    for (let nth = 0; nth < 30; nth++) {
      const tags = { "span.kind": "server", n: nth, half: nth / 2 + 0.25, is: true, text: "grüß" };
      const span = tracer.startSpan(`op-${nth % 3}`, { tags });
      span.log({ event: "began", nth });
      const child = tracer.startSpan("child", { childOf: span, tags: { "span.kind": "client" } });
      child.finish();
      span.finish();
      const [of, inner] = [span.context(), child.context()];
      sent(of.traceIdStr, of.spanIdStr, "", "js-jaeger", `op-${nth % 3}`, "server", tags);
      sent(inner.traceIdStr, inner.spanIdStr, of.spanIdStr, "js-jaeger", "child", "client", { "span.kind": "client" });
    }
    await new Promise((done) => tracer.close(done));
    await wait(300);
  },

  otel_jaeger_udp: () => otel(() => new (require("@opentelemetry/exporter-jaeger").JaegerExporter)({ host: "127.0.0.1", port })),
  otel_jaeger_http: () => otel(() => new (require("@opentelemetry/exporter-jaeger").JaegerExporter)({ endpoint: `http://127.0.0.1:${port}/api/traces` })),
  otel_zipkin: () => otel(() => new (require("@opentelemetry/exporter-zipkin").ZipkinExporter)({ url: `http://127.0.0.1:${port}/api/v2/spans` })),

  // OpenTelemetry's sampler of Jaeger's strategies, with an operation that the server knows nothing of.
  async sampler() {
    const { JaegerRemoteSampler } = require("@opentelemetry/sampler-jaeger-remote");
    const { AlwaysOffSampler } = require("@opentelemetry/sdk-trace-base");
    const { ROOT_CONTEXT, SpanKind } = require("@opentelemetry/api");
    const sampler = new JaegerRemoteSampler({ endpoint: `http://127.0.0.1:${port}`, serviceName: "js-sampler", initialSampler: new AlwaysOffSampler(), poolingInterval: 100 });
    await wait(1000);
    let sampled = 0;
    for (let nth = 0; nth < 10000; nth++) {
      const trace = Array.from({ length: 32 }, () => Math.floor(Math.random() * 16).toString(16)).join("");
      sampled += sampler.shouldSample(ROOT_CONTEXT, trace, "GET /", SpanKind.SERVER, {}, []).decision === 2 ? 1 : 0;
    }
    console.log(JSON.stringify({ sampled }));
    process.exit(0);
  },

  // npm zipkin 0.22: v2 in JSON, v1 in Thrift.
  async zipkin() {
    const { Tracer, BatchRecorder, ExplicitContext, Annotation, jsonEncoder } = require("zipkin");
    const { HttpLogger } = require("zipkin-transport-http");
    const thrift = require("zipkin-encoder-thrift");
    const encoders = { v2: ["/api/v2/spans", jsonEncoder.JSON_V2], v1: ["/api/v1/spans", jsonEncoder.JSON_V1], thrift: ["/api/v1/spans"] };
    for (const [form, [path, encoder]] of Object.entries(encoders)) {
      const service = `js-zipkin-${form}`;
      const errors = [];
      const endpoint = `http://127.0.0.1:${port}${path}`;
      // Its transport over HTTP writes JSON only: a list of one struct is put around each span in Thrift.
      const encode = (thrift.default || thrift).encode;
      const logSpan = (span) => fetch(endpoint, {
        method: "POST", headers: { "Content-Type": "application/x-thrift" }, body: Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), encode(span)]),
      }).then((response) => { if (response.status !== 202) errors.push(String(response.status)); });
      const logger = encoder ? new HttpLogger({ endpoint, jsonEncoder: encoder, httpInterval: 100, log: { error: (text) => errors.push(text) } }) : { logSpan };
      const tracer = new Tracer({ ctxImpl: new ExplicitContext(), recorder: new BatchRecorder({ logger }), localServiceName: service, defaultTags: { region: "eu" } });
      for (let nth = 0; nth < 5; nth++) {
        tracer.scoped(() => {
          tracer.setId(tracer.createRootId());
          tracer.recordServiceName(service);
          tracer.recordAnnotation(new Annotation.ServerRecv());
          tracer.recordRpc("get");
          tracer.recordBinary("nth", String(nth));
          const id = tracer.id;
          tracer.recordAnnotation(new Annotation.ServerSend());
          sent(id.traceId, id.spanId, "", service, "get", "server", { nth, region: "eu" });
        });
      }
      await wait(1000);
      if (errors.length) throw new Error(errors.join("; "));
    }
    process.exit(0);
  },
};

async function otel(exporter) {
  const { BatchSpanProcessor, BasicTracerProvider } = require("@opentelemetry/sdk-trace-base");
  const { resourceFromAttributes } = require("@opentelemetry/resources");
  const { SpanKind, SpanStatusCode, trace, ROOT_CONTEXT } = require("@opentelemetry/api");
  const service = `js-${client}`;
  const provider = new BasicTracerProvider({ resource: resourceFromAttributes({ "service.name": service, region: "eu" }), spanProcessors: [new BatchSpanProcessor(exporter(), { maxExportBatchSize: 20 })] });
  const tracer = provider.getTracer("suite");
  for (let nth = 0; nth < 30; nth++) {
    const tags = { n: nth, half: nth / 2 + 0.25, is: true };
    const span = tracer.startSpan(`op-${nth % 3}`, { kind: SpanKind.SERVER, attributes: tags });
    span.addEvent("half-way", { k: "v" });
    if (nth % 5 === 0) span.setStatus({ code: SpanStatusCode.ERROR, message: "boom" });
    const child = tracer.startSpan("child", { kind: SpanKind.CLIENT }, trace.setSpan(ROOT_CONTEXT, span));
    child.end();
    span.end();
    const [of, inner] = [span.spanContext(), child.spanContext()];
    sent(of.traceId, of.spanId, "", service, `op-${nth % 3}`, "server", tags);
    sent(inner.traceId, inner.spanId, of.spanId, service, "child", "client");
  }
  await provider.forceFlush();
  // The exporter of Jaeger does not wait for its requests, and ends them when it is shut down.
  await wait(500);
  await provider.shutdown();
}

clients[client]().catch((error) => { console.error(error); process.exit(1); });
