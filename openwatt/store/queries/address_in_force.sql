-- The address that replaces a source's own on a day, if the newest word on it still holds.
select address from (
    select address, until from address_overrides where source = %(source)s
     order by override_id desc limit 1
) newest
where address is not null and until >= %(on)s
