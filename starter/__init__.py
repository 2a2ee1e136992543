"""Starter model: draws and captions its training pictures, trains, scores and exports it. Nothing at run time imports this."""
