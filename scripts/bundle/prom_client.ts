/** What only prom-client's default metrics need, which are not collected. */
export const openTelemetry = {
  replaces: /^@opentelemetry\/api$/,
  contents: (): string => "",
};
