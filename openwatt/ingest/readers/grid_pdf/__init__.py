"""Price grids in PDF, read by geometry and vocabulary: no page, table or column number anywhere."""
