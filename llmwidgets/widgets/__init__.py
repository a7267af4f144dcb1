"""The widgets: connection form and panel, comparison panel."""
