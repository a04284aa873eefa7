"""The pages for people: their views, texts, charts and templates."""
