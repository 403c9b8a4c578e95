#!/usr/bin/env node
// Sends a campaign, and reads its delivery rate: campaign.mjs CAMPAIGN FILE, with a phone number on each line of FILE.
// Exits with 0: all messages were judged, 2: not all in time, 3: not sent, as far as is known.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const URL = process.env.SMSBAT_EXPORTER_URL ?? "http://127.0.0.1:10768"; // in place of SMSBat's
const METRICS_URL = process.env.SMSBAT_EXPORTER_METRICS_URL ?? "http://127.0.0.1:10767/metrics";
const WAIT_SECONDS = Number(process.env.WAIT_SECONDS ?? 900);

// Returns status and body of the answer; 0 and the reason when there is none.
async function call(url, request = {}) {
  try {
    // No redirect leads the key elsewhere.
    const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(75_000), ...request });
    return [response.status, await response.text()];
  } catch (error) {
    return [0, String(error.cause ?? error)];
  }
}

// Sends to up to 5,000 numbers, once; returns how many of the messages SMSBat accepted.
async function send(campaign, phones) {
  const headers = {
    "Content-Type": "application/json",
    "X-Authorization-Key": process.env.SMSBAT_API_KEY,
    "X-Smsbat-Labels": `campaign=${campaign}`,
  };
  const own = { from: process.env.SMSBAT_SENDER ?? "SHOP", type: "viber_promo", text: "Spring is here!", ttl: 86_400 };
  const body = JSON.stringify({ messages: phones.map((to) => ({ ...own, to })) });
  const [status, answer] = await call(`${URL}/bat/messagelist`, { method: "POST", headers, body });
  if (status === 200) return JSON.parse(answer).messages.filter((each) => each.status === "accepted").length;
  console.error("not sent, as far as is known:", status, answer);
  process.exit(3);
}

// Returns how many messages of a campaign reached their `mature` age, by what they were then; null when unknown.
async function judged(campaign) {
  const [status, answer] = await call(`${METRICS_URL}?name[]=smsbat_messages_matured_total`);
  if (status !== 200) {
    console.error("no metrics:", status, answer);
    return null;
  }
  const results = { delivered: 0, failed: 0, pending: 0, unknown: 0 };
  for (const [, labels, value] of answer.matchAll(/^smsbat_messages_matured_total\{(.*)\} (\S+)$/gm)) {
    if (labels.split(",").includes(`campaign="${campaign}"`)) results[/result="(\w+)"/.exec(labels)[1]] += Number(value);
  }
  return results;
}

const [campaign, file, ...more] = process.argv.slice(2);
if (!/^[\w-]+$/.test(campaign ?? "") || !file || more.length > 0 || !process.env.SMSBAT_API_KEY) {
  console.error("usage: SMSBAT_API_KEY=... campaign.mjs CAMPAIGN FILE");
  process.exit(3);
}
const phones = readFileSync(file, "utf8").split(/\s+/).filter(Boolean);
const before = await judged(campaign);
if (before === null) process.exit(3);
let accepted = 0;
for (let first = 0; first < phones.length; first += 5000) accepted += await send(campaign, phones.slice(first, first + 5000));
console.log(`accepted ${accepted} of ${phones.length}`);

const until = performance.now() + WAIT_SECONDS * 1000;
let [delivered, known, all] = [0, 0, 0];
while (all < accepted && performance.now() < until) {
  await sleep(2000);
  const now = (await judged(campaign)) ?? before;
  delivered = now.delivered - before.delivered;
  known = delivered + now.failed - before.failed + now.pending - before.pending;
  all = known + now.unknown - before.unknown;
}
if (known > 0) console.log(`delivered ${delivered} of ${known}: ${Math.floor((100 * delivered) / known)} %`);
process.exitCode = all >= accepted ? 0 : 2;
