-- The mark of this session; null where it never got one.
select current_setting('openwatt.mark', true)
