insert into catalogue_editions (sha256) values (%(sha256)s) on conflict do nothing
