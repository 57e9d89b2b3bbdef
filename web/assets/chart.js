// Charts over time: uPlot in the place of what the server has drawn, from the numbers that the server sent with it.
import { readable, zone } from "./time.js";

const COLOURS = 8;
const HEIGHT_PX = 220;
/** A drag shorter than this is a click. */
const DRAG_MIN_PX = 6;

/** A colour of the style sheet as it is now. Canvas knows no variables. */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const faint = (rgb, share) => rgb.replace(/^rgb\((.*)\)$/, (_, parts) => `rgb(${parts.replaceAll(",", " ")} / ${share})`);

/** A number in few characters: 1.2k, 34M, 0.05. */
export function short(value) {
  const size = Math.abs(value);
  for (const [unit, suffix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= unit) return `${Number((value / unit).toPrecision(3))}${suffix}`;
  }
  return String(Number(value.toPrecision(4)));
}

/** Each series on top of those before it. */
function stacked(values) {
  const sums = [];
  return values.map((series) => series.map((value, at) => (sums[at] = (sums[at] ?? 0) + (value ?? 0))));
}

/** Labels of the time axis: the day where it begins, and as much of the time as the distance of ticks needs. */
function ticks(plot, splits, axis, space, distance) {
  let day = "";
  return splits.map((seconds) => {
    const text = readable(new Date(seconds * 1000).toISOString().replace(/\.000Z$/, "Z"));
    const [date, time] = [text.slice(0, 10), text.slice(11)];
    if (distance >= 86400) return date.slice(5);
    const label = distance >= 60 ? time.slice(0, 5) : time;
    const isNew = date !== day;
    day = date;
    return isNew ? `${label}\n${date}` : label;
  });
}

function tooltip(data, shownValues) {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  const draw = (plot) => {
    const { idx, left, top } = plot.cursor;
    tip.hidden = idx == null || left < 0;
    if (tip.hidden) return;
    const head = document.createElement("strong");
    head.textContent = readable(new Date(data.times[idx] * 1000).toISOString().replace(/\.000Z$/, "Z"));
    const lines = data.names.map((name, at) => ({ name, at, value: shownValues[at][idx] }))
      .filter(({ value, at }) => value != null && plot.series[plot.metlogOrder[at]].show);
    if (data.stack) lines.reverse();
    tip.replaceChildren(head, ...lines.slice(0, 12).map(({ name, at, value }) => {
      const line = document.createElement("div");
      line.className = `s${at % COLOURS}`;
      const label = document.createElement("span");
      label.append(document.createElement("i"), name);
      const number = document.createElement("span");
      number.textContent = `${short(value)}${data.unit ? ` ${data.unit}` : ""}`;
      line.append(label, number);
      return line;
    }));
    const width = plot.over.clientWidth;
    tip.style.left = left > width / 2 ? "" : `${plot.over.offsetLeft + left + 14}px`;
    tip.style.right = left > width / 2 ? `${width - left + 14}px` : "";
    tip.style.top = `${Math.min(top, 120)}px`;
  };
  return { tip, draw };
}

function legend(figure, plot) {
  for (const [at, item] of [...figure.querySelectorAll(".legend li")].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = item.textContent;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const series = plot.metlogOrder[at];
      const show = !plot.series[series].show;
      plot.setSeries(series, { show });
      item.classList.toggle("off", !show);
      button.setAttribute("aria-pressed", String(show));
    });
    item.replaceChildren(button);
  }
}

/** Puts a chart in the place of what the server has drawn.
 * @param {HTMLElement} figure
 * @param {(from: number, to: number) => void} choose Called with a range in seconds that was dragged on it. */
export function chart(figure, choose) {
  const data = JSON.parse(figure.dataset.chart);
  const place = figure.querySelector(".plot");
  const values = data.stack ? stacked(data.values) : data.values;
  // What lies above is drawn first, so that what lies below covers it.
  const order = data.names.map((_, at) => at);
  if (data.stack) order.reverse();
  const { tip, draw } = tooltip(data, data.values);
  const bars = data.stack ? uPlot.paths.bars({ size: [0.9, 40], align: 1 }) : undefined;
  const isLonely = (at) => data.values[at].filter((value) => value != null).length < 40;
  const series = order.map((at) => ({
    label: data.names[at],
    stroke: () => (data.stack ? colour("--card") : colour(`--s${at % COLOURS}`)),
    fill: data.stack ? () => colour(`--s${at % COLOURS}`) : () => (data.names.length === 1 ? faint(colour("--s0"), 0.12) : undefined),
    width: data.stack ? 0 : 1.5,
    paths: bars,
    points: { show: !data.stack && isLonely(at) },
  }));
  const axis = () => ({
    stroke: () => colour("--soft"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { stroke: () => colour("--line"), width: 1 },
    font: "11px system-ui, sans-serif",
  });
  const options = {
    width: place.clientWidth,
    height: HEIGHT_PX,
    tzDate: (seconds) => (zone() === "utc" ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
    scales: {
      x: data.range ? { range: () => data.range } : {},
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 1) > 0 ? (high ?? 1) * 1.08 : 1] },
    },
    axes: [
      { ...axis(), values: ticks },
      { ...axis(), size: 56, values: (_, ticks) => ticks.map((tick) => `${short(tick)}${data.unit && data.unit.length < 3 ? ` ${data.unit}` : ""}`) },
    ],
    series: [{}, ...series],
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: "time" } },
    legend: { show: false },
    hooks: {
      setCursor: [draw],
      setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width < DRAG_MIN_PX) return;
        const at = (px) => plot.posToVal(px, "x");
        choose(at(left), at(left + width));
      }],
    },
  };
  place.replaceChildren();
  const plot = new uPlot(options, [data.times, ...order.map((at) => values[at])], place);
  plot.metlogOrder = data.names.map((_, at) => order.indexOf(at) + 1);
  figure.metlogPlot = plot;
  place.append(tip);
  legend(figure, plot);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT_PX })).observe(place);
  const again = () => plot.redraw(false, false);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("metlog:theme", again);
}
