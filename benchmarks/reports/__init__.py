"""Results as Markdown and SVG."""
