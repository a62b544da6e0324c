"""The mesh on one machine: its tools, its processes, and stand-ins for Pulumi plugins that are absent."""
