-- The address that replaces each source's own on a day, all or of one source.
select source, address, until, author, reason, set_at
from (select distinct on (source) *
        from address_overrides
       where %(source)s::text is null or source = %(source)s
       order by source, override_id desc) newest
where address is not null and until >= %(on)s
order by source
