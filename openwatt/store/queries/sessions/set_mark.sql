-- Marks this session, by a setting of its own that nothing else reads.
select set_config('openwatt.mark', %(mark)s, false)
