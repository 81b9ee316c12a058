// The Vercel AI SDK's own spans.
import { createOpenAI } from "@ai-sdk/openai";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { generateText, stepCountIs, tool } from "ai";
import { z } from "zod";

const exporter = new OTLPTraceExporter({ url: process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT });
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();

const openai = createOpenAI();
const experimental_telemetry = {
  isEnabled: true,
  functionId: "forecaster",
  metadata: { sessionId: "session-1", userId: "user-1", tenantId: "tenant-1" },
};
const get_weather = tool({
  description: "Tell the weather.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `Sunny in ${city}.`,
});
const prompt = "Weather in Oslo?";
await generateText({
  model: openai.chat("gpt-4o-mini"),
  tools: { get_weather },
  stopWhen: stepCountIs(2),
  prompt,
  experimental_telemetry,
});
let failed = false;
try {
  await generateText({ model: openai.chat("broken"), prompt, maxRetries: 0, experimental_telemetry });
} catch {
  failed = true;
}
if (!failed) throw new Error("The call was to fail.");
await provider.shutdown();
