"""How the kit takes part in nbgrader: settings, preprocessors, and an exporter for what students sent."""
