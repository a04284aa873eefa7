-- How many homes begin more than once, and whether a home's rows are not from the cheapest.
select count(*) - count(distinct home_hash), coalesce(bool_or(is_disorder), false) from homes
