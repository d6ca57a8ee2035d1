-- Above 64 extents a version's manifest lists pages of extents, which versions share. `versions.part_ids` then names the pages,
-- and each page names its parts here: so a part is in use while a version names it, or a page that a version names. It is
-- null for parts that hold content. (Versions of older commits name both at once, which says the same.)
alter table parts add column part_ids uuid[];
create index parts_paged on parts using gin (part_ids) where part_ids is not null;
