import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const engine = process.env["APSE_API_URL"] ?? "http://127.0.0.1:8080";
const paths = ["/portfolio", "/portfolios", "/strategies", "/risk", "/readyz", "/version"];

export default defineConfig({
  plugins: [react()],
  base: "./",
  build: { target: "es2022", sourcemap: false },
  server: { proxy: Object.fromEntries(paths.map((path) => [path, engine])) },
  test: { environment: "jsdom", setupFiles: ["src/test/setup.ts"], include: ["src/**/*.test.{ts,tsx}"] },
});
