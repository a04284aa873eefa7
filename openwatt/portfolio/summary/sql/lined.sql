-- The homes with the line of the summary that they count in; -1 is that of the groups without a line of their own.
create view lined as
select ranked.*, coalesce(shown.line, -1) as line, case when is_ranked then {saving} end as saving
from ranked {joined}
