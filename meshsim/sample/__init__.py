"""The application that sample pods run."""
