#!/usr/bin/env node
// Spawns the recogniser, reads its lines, pauses it while this program speaks, restarts it when it dies.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const python = process.env.PYTHON ?? "python3";
const args = [join(root, "asr_service_streaming.py"), ...process.argv.slice(2)];
let pause = 0.5; // seconds before the next start; what dies at once is started less and less often

function start() {
  const began = Date.now();
  const service = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] });
  const send = (kind, fields = {}) => service.stdin.write(JSON.stringify({ type: `core.control.${kind}`, ...fields }) + "\n");
  service.stdin.on("error", () => {}); // the service has gone: its exit says why

  createInterface({ input: service.stdout }).on("line", (line) => {
    const event = JSON.parse(line);
    if (event.type === "voice.asr_text.final") {
      send("pause"); // an assistant that speaks must not hear itself
      console.log("heard:", event.text);
      send("resume");
    } else if (event.type === "core.error_event") {
      console.error(event.error_code, event.message);
    }
  });

  process.once("SIGINT", () => send("stop")); // what was being said is still heard; once more ends this program
  service.on("close", (status) => {
    process.removeAllListeners("SIGINT");
    if ([0, 2, 3, 130].includes(status)) process.exit(status); // as asked, or another start would fail the same way
    pause = Date.now() - began > 60_000 ? 1 : Math.min(2 * pause, 60);
    setTimeout(start, 1000 * pause);
  });
}

start();
