insert into schema_migrations (number, name) values (%(number)s, %(name)s)
