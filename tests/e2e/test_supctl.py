"""Every command of supctl: tables, JSON, exit codes."""
