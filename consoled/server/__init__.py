"""The worker of ``consoled``: joins consoles, endpoints and frontends; replaces itself."""
