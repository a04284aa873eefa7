-- The last tariff, confirmation and sighting that there are: what is published later has higher numbers.
select coalesce((select max(tariff_id) from tariffs), 0) as tariff_id,
       coalesce((select max(confirmation_id) from confirmations), 0) as confirmation_id,
       coalesce((select max(sighting_id) from sightings), 0) as sighting_id
