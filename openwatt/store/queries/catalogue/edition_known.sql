select exists (select from catalogue_editions where sha256 = %(sha256)s)
