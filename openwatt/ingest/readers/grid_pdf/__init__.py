"""The reader of price grids in PDF, by geometry and vocabulary: no page, table or column number anywhere."""
