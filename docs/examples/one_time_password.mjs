#!/usr/bin/env node
// Sends a one-time password by Viber, and by SMS when that has not arrived after 30 s: one_time_password.mjs PHONE
// Exits with 0: delivered, 1: not delivered, 2: not known in time, 3: not sent, as far as is known.
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const URL = process.env.SMSBAT_EXPORTER_URL ?? "http://127.0.0.1:10768"; // in place of SMSBat's
const WAIT_SECONDS = Number(process.env.WAIT_SECONDS ?? 30);

// Returns status and JSON of the answer; 0 and the reason when there is none.
async function call(path, request = {}) {
  try {
    // No redirect leads the key elsewhere; the exporter needs 60 s at most.
    const response = await fetch(URL + path, { redirect: "error", signal: AbortSignal.timeout(75_000), ...request });
    return [response.status, await response.json()];
  } catch (error) {
    return [0, String(error.cause ?? error)];
  }
}

// Sends a message and returns its id. A send is never repeated: without an answer it may have gone out.
async function send(message) {
  const headers = { "Content-Type": "application/json", "X-Authorization-Key": process.env.SMSBAT_API_KEY };
  const body = JSON.stringify({ messages: [message] });
  const [status, answer] = await call("/bat/messagelist", { method: "POST", headers, body });
  const sent = status === 200 ? answer.messages[0] : null;
  if (sent?.status === "accepted") return sent.messageId;
  console.error("not sent, as far as is known:", status, sent?.status ?? JSON.stringify(answer)); // no phone number
  return null;
}

// Returns what became of a message as soon as that is known, or "open" when the time is over.
async function outcome(id, seconds) {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
    const [status, answer] = await call(`/api/v1/messages/${encodeURIComponent(id)}?wait=${Math.min(left, 60)}s`);
    if (status === 200 && answer.final) return answer.outcome;
    if (status !== 200) console.error("not known:", status, JSON.stringify(answer));
    if (left === 0 || ![0, 200, 503].includes(status)) return "open";
    if (status !== 200) await sleep(1000); // the exporter restarts; it forgets no message
  }
}

const [phone, ...more] = process.argv.slice(2);
if (!phone || more.length > 0 || !process.env.SMSBAT_API_KEY) {
  console.error("usage: SMSBAT_API_KEY=... one_time_password.mjs PHONE");
  process.exit(3);
}
const text = `${String(randomInt(1_000_000)).padStart(6, "0")} is your code. Tell it to nobody.`;
const sent = [];
// The same code both ways: whichever arrives first works.
for (const type of ["viber_otp", "sms"]) {
  const id = await send({ from: process.env.SMSBAT_SENDER ?? "SHOP", to: phone, type, text, ttl: 300 });
  if (id === null) continue; // the other way at once
  sent.push(id);
  const became = await outcome(id, WAIT_SECONDS);
  console.log(`${type}: ${became}`);
  if (became === "delivered") process.exit(0);
}
const late = await Promise.all(sent.map((id) => outcome(id, 0))); // the first may have arrived after all
if (late.includes("delivered")) console.log("delivered after all");
else if (late.length === 0) process.exitCode = 3;
else process.exitCode = late.every((each) => ["undeliverable", "permanenterror"].includes(each)) ? 1 : 2;
