-- Adds an offer of which no price is known, and its supplier, unless they are there.
with added as (
    insert into suppliers (name) values (%(supplier)s) on conflict (name) do nothing returning supplier_id
)
insert into offers (supplier_id, name, url, no_price)
select supplier_id, %(offer)s, %(url)s, %(no_price)s
from (select supplier_id from added union all select supplier_id from suppliers where name = %(supplier)s) known
on conflict (supplier_id, name) do nothing
