"""What a scan or a migration found, for people and for tools: terminal, HTML, JSON, SARIF."""
