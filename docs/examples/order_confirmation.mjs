#!/usr/bin/env node
// Confirms an order, and learns whether the customer got it: order_confirmation.mjs PHONE ORDER
// Exits with 0: delivered, 1: not delivered, 2: not known in time, 3: not sent, as far as is known.
import { setTimeout as sleep } from "node:timers/promises";

const URL = process.env.SMSBAT_EXPORTER_URL ?? "http://127.0.0.1:10768"; // in place of SMSBat's
const WAIT_SECONDS = Number(process.env.WAIT_SECONDS ?? 120);

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

const [phone, order, ...more] = process.argv.slice(2);
if (!order || more.length > 0 || !process.env.SMSBAT_API_KEY) {
  console.error("usage: SMSBAT_API_KEY=... order_confirmation.mjs PHONE ORDER");
  process.exit(3);
}
const text = `Thank you! Your order ${order} is on its way.`;
const id = await send({
  from: process.env.SMSBAT_SENDER ?? "SHOP",
  to: phone,
  type: "viber_trans",
  text,
  ttl: 86_400,
  customerMessageId: order,
  fallback: { type: "sms", text }, // SMSBat's own: when Viber does not reach the customer
});
if (id === null) process.exit(3);
const became = await outcome(id, WAIT_SECONDS);
console.log(became);
process.exitCode = { delivered: 0, undeliverable: 1, permanenterror: 1 }[became] ?? 2;
