-- The homes, and whether the first contract of each is whole and in its ranking.
create view ranked as
select *, is_whole and (not is_outdated or {ranks_outdated}) as is_ranked from homes
