"""Where measurements come from: Prometheus, any JSON over HTTP, Datadog, jobs."""
