"""Training data: converters to one row format, synthesis from schemas, mixing. See docs/data.md."""
