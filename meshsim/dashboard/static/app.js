// The page keeps its own copy of the objects, changed by what the stream tells, and draws it at most ten times a second.

const HASH = "rollouts-pod-template-hash";
const REVISION = "rollout.argoproj.io/revision";
const CHART_POINTS = 120;

const objects = { Rollout: new Map(), ReplicaSet: new Map(), Pod: new Map(), AnalysisRun: new Map() };
const traffic = new Map();
let clusterNow = 0;
let clockReadAt = 0;
let clockSpeed = 1;
let drawing = null;

const stream = new EventSource("live");
stream.onopen = () => {
  Object.values(objects).forEach((known) => known.clear());
  say("live");
};
stream.onerror = () => say("the connection is lost, trying again…");
stream.onmessage = (event) => {
  take(JSON.parse(event.data));
  drawing ??= setTimeout(draw, 100);
};

function say(text) {
  document.getElementById("connection").textContent = text;
}

function take(message) {
  if (message.kind === "Clock") {
    const passed = (performance.now() - clockReadAt) / 1000;
    if (clockReadAt && passed > 0.5) clockSpeed = Math.max(0, (message.now - clusterNow) / passed);
    clusterNow = message.now;
    clockReadAt = performance.now();
  } else if (message.kind === "Traffic") {
    takeTraffic(message.versions);
  } else if (message.type === "DELETED") {
    objects[message.kind].delete(message.object.metadata.uid);
  } else {
    objects[message.kind].set(message.object.metadata.uid, message.object);
  }
}

function takeTraffic(versions) {
  for (const version of new Set([...traffic.keys(), ...Object.keys(versions)])) {
    const points = traffic.get(version) ?? [];
    points.push(versions[version] ?? { rps: 0, errors: 0 });
    traffic.set(version, points.slice(-CHART_POINTS));
  }
}

function now() {
  return clusterNow + ((performance.now() - clockReadAt) / 1000) * clockSpeed;
}

function draw() {
  drawing = null;
  const rollouts = [...objects.Rollout.values()].sort((one, other) => nameOf(one).localeCompare(nameOf(other)));
  document.getElementById("empty").hidden = rollouts.length > 0;
  const place = document.getElementById("rollouts");
  const wanted = new Set(rollouts.map((rollout) => rollout.metadata.uid));
  for (const card of [...place.children]) if (!wanted.has(card.dataset.uid)) card.remove();
  rollouts.forEach((rollout) => drawRollout(card(place, "rollout", rollout.metadata.uid), rollout));
}

function card(place, template, id) {
  const known = [...place.children].find((child) => child.dataset.uid === id);
  if (known) return known;
  const made = document.getElementById(template).content.firstElementChild.cloneNode(true);
  made.dataset.uid = id;
  return place.appendChild(made);
}

function drawRollout(place, rollout) {
  const status = rollout.status ?? {};
  place.querySelector("h2").textContent = nameOf(rollout);
  const phase = place.querySelector(".phase");
  phase.textContent = status.phase ?? "Progressing";
  phase.className = `phase ${phase.textContent}`;
  place.querySelector(".message").textContent = status.message ?? "";
  drawWeights(place.querySelector(".weights"), rollout);
  drawSteps(place.querySelector(".steps"), rollout);
  drawVersions(place.querySelector(".versions"), rollout);
}

function nameOf(obj) {
  const { name, namespace } = obj.metadata;
  return namespace === "default" ? name : `${namespace}/${name}`;
}

function drawWeights(place, rollout) {
  const weights = rollout.status?.canary?.weights;
  place.hidden = !weights;
  if (!weights) return;
  const parts = [["stable", weights.stable?.weight ?? 0], ["canary", weights.canary?.weight ?? 0]];
  place.setAttribute("aria-label", parts.map(([role, weight]) => `${role} ${weight} %`).join(", "));
  fill(place, "span", parts, (span, [role, weight]) => {
    span.className = role;
    span.style.flexGrow = weight;
    span.textContent = weight >= 5 ? `${role} ${weight} %` : "";
  });
}

function drawSteps(place, rollout) {
  const steps = rollout.spec?.strategy?.canary?.steps ?? [];
  const index = rollout.status?.currentStepIndex ?? 0;
  place.parentElement.hidden = steps.length === 0;
  fill(place, "li", steps, (item, step, position) => {
    item.className = position < index ? "done" : position === index ? "current" : "";
    item.replaceChildren(stepText(step));
    const left = position === index ? pauseLeft(rollout, step) : null;
    if (left !== null) {
      const span = document.createElement("span");
      span.className = "left";
      span.textContent = ` ${Math.ceil(left)} s left`;
      item.append(span);
    }
  });
}

function stepText(step) {
  const [kind, value] = Object.entries(step)[0] ?? ["", null];
  switch (kind) {
    case "setWeight":
      return `Set weight ${value} %`;
    case "pause":
      return value?.duration === undefined ? "Pause until promoted" : `Pause ${seconds(value.duration)}`;
    case "setCanaryScale":
      if (value.matchTrafficWeight) return "Scale with the weight";
      return value.replicas === undefined ? `Scale to ${value.weight} %` : `Scale to ${value.replicas} pods`;
    case "setHeaderRoute":
      return `Header route ${value.name}`;
    case "setMirrorRoute":
      return value.percentage === undefined ? `Mirror route ${value.name}` : `Mirror ${value.percentage} %`;
    case "analysis":
      return `Analysis ${(value.templates ?? []).map((template) => template.templateName).join(", ")}`;
    case "experiment":
      return "Experiment";
    default:
      return kind;
  }
}

function seconds(duration) {
  return /^\d+$/.test(duration) ? `${duration} s` : String(duration);
}

function pauseLeft(rollout, step) {
  const started = rollout.status?.pauseConditions?.[0]?.startTime;
  const total = durationSeconds(step.pause?.duration);
  if (!started || total === null) return null;
  return Math.max(0, Date.parse(started) / 1000 + total - now());
}

function durationSeconds(duration) {
  if (duration === undefined) return null;
  if (/^\d+$/.test(duration)) return Number(duration);
  const units = { h: 3600, m: 60, s: 1, ms: 0.001 };
  let total = 0;
  for (const [, count, unit] of String(duration).matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)) total += count * units[unit];
  return total;
}

function drawVersions(place, rollout) {
  const sets = [...objects.ReplicaSet.values()]
    .filter((set) => isOwnedBy(set, rollout) && ((set.spec.replicas ?? 0) > 0 || (set.status?.replicas ?? 0) > 0))
    .sort((one, other) => revisionOf(other) - revisionOf(one));
  const wanted = new Set(sets.map((set) => set.metadata.uid));
  for (const child of [...place.children]) if (!wanted.has(child.dataset.uid)) child.remove();
  const drawn = sets.map((set) => [card(place, "version", set.metadata.uid), set]);
  drawn.forEach(([child, set]) => place.appendChild(drawVersion(child, set, rollout)));
}

function drawVersion(place, set, rollout) {
  const role = roleOf(set, rollout);
  const pods = [...objects.Pod.values()].filter((pod) => isOwnedBy(pod, set));
  pods.sort((one, other) => one.metadata.name.localeCompare(other.metadata.name));
  place.className = `version ${role}`;
  place.querySelector(".name").textContent = versionOf(set);
  place.querySelector(".roles").textContent = [role, `revision ${revisionOf(set)}`].filter(Boolean).join(", ");
  drawNumbers(place.querySelector(".numbers"), set);
  drawChart(place.querySelector(".chart"), traffic.get(versionOf(set)) ?? []);
  fill(place.querySelector(".pods"), "li", pods, (item, pod) => {
    item.className = podState(pod);
    item.title = `${pod.metadata.name}: ${item.className}`;
  });
  return place;
}

function drawNumbers(place, set) {
  const pods = `${set.status?.readyReplicas ?? 0} of ${set.spec.replicas ?? 0} pods ready`;
  const latest = traffic.get(versionOf(set))?.at(-1);
  if (!latest) {
    place.replaceChildren(pods);
    return;
  }
  const all = [...traffic.values()].reduce((sum, points) => sum + (points.at(-1)?.rps ?? 0), 0);
  const share = all > 0 ? ` (${((100 * latest.rps) / all).toFixed(1)} %)` : "";
  const errors = document.createElement("span");
  errors.className = latest.errors > 0 ? "failing" : "";
  errors.textContent = `${latest.errors.toFixed(1)} errors/s`;
  place.replaceChildren(pods, document.createElement("br"), `${latest.rps.toFixed(0)} requests/s${share}, `, errors);
}

function drawChart(chart, points) {
  chart.style.display = points.length > 1 ? "" : "none";
  if (points.length < 2) return;
  const all = [...traffic.values()].flatMap((series) => series.map((point) => point.rps));
  const top = Math.max(1, ...all);
  const line = (read) => points
    .map((point, index) => `${(240 * (CHART_POINTS - points.length + index)) / (CHART_POINTS - 1)},${47 - (46 * read(point)) / top}`)
    .join(" ");
  chart.querySelector(".rps").setAttribute("points", line((point) => point.rps));
  chart.querySelector(".errors").setAttribute("points", line((point) => point.errors));
}

function isOwnedBy(obj, owner) {
  return (obj.metadata.ownerReferences ?? []).some((reference) => reference.uid === owner.metadata.uid);
}

function revisionOf(set) {
  return Number(set.metadata.annotations?.[REVISION] ?? 0);
}

function roleOf(set, rollout) {
  const hash = set.metadata.labels?.[HASH];
  if (hash === rollout.status?.stableRS) return "stable";
  return hash === rollout.status?.currentPodHash ? "canary" : "";
}

function versionOf(set) {
  const template = set.spec.template;
  const tag = (template.spec?.containers?.[0]?.image ?? "").split("@")[0].split("/").at(-1).split(":")[1];
  return template.metadata?.labels?.version ?? tag ?? "latest";
}

function podState(pod) {
  if (pod.metadata.deletionTimestamp) return "terminating";
  if ((pod.status?.conditions ?? []).some((one) => one.type === "Ready" && one.status === "True")) return "ready";
  const waiting = (pod.status?.containerStatuses ?? []).map((one) => one.state?.waiting?.reason ?? "");
  return pod.status?.phase === "Failed" || waiting.some((reason) => /Err|BackOff|Invalid/.test(reason)) ? "failing" : "starting";
}

function fill(place, tag, items, draw) {
  while (place.children.length > items.length) place.lastElementChild.remove();
  while (place.children.length < items.length) place.append(document.createElement(tag));
  items.forEach((item, index) => draw(place.children[index], item, index));
}
