"""Builds the small model that lies in the demo's data folder. Nothing at run time imports this."""
