insert into address_overrides (source, address, until, author, reason, set_at)
values (%(source)s, %(address)s, %(until)s, %(author)s, %(reason)s, %(set_at)s)
