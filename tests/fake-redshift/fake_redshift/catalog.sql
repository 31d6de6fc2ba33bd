-- What the PostgreSQL behind the fake gets once: Redshift's functions and catalog views, in pg_catalog so that every
-- search path finds them. Literals are E'' where they have backslashes: sessions run as PostgreSQL 8.0 did.
SET allow_system_table_mods = on;
CREATE SCHEMA IF NOT EXISTS redshift_types;

CREATE TABLE IF NOT EXISTS pg_catalog.redshift_long_names (short text PRIMARY KEY, long text NOT NULL);
CREATE TABLE IF NOT EXISTS pg_catalog.redshift_table_attributes (
    table_id oid PRIMARY KEY, diststyle text, distkey text, sortkey text[], encodings jsonb, declared_keys text[]);
CREATE TABLE IF NOT EXISTS pg_catalog.redshift_late_views (
    view_schema text, view_name text, definition text NOT NULL, mentions text[] NOT NULL,
    rights text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (view_schema, view_name));

-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
CREATE TABLE IF NOT EXISTS pg_catalog.sys_load_error_detail (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name character(64),
    table_id integer, start_time timestamp, file_name character(256), line_number bigint, column_name character(127),
    column_type character(10), column_length character(10), "position" integer, error_code integer,
    error_message character(512));

CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.0 (a fake)'::text $$;

CREATE OR REPLACE FUNCTION pg_catalog.redshift_long(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT n.long FROM pg_catalog.redshift_long_names n WHERE n.short = $1), $1) $$;

-- The most whole characters that fit into so many bytes of UTF-8: what a cast to VARCHAR(n) leaves.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_CAST_function.html
CREATE OR REPLACE FUNCTION pg_catalog.redshift_cut(value text, bytes integer) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    cut text := left(value, bytes);
BEGIN
    WHILE octet_length(cut) > bytes LOOP
        cut := left(cut, char_length(cut) - GREATEST((octet_length(cut) - bytes) / 4, 1));
    END LOOP;
    RETURN cut;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/JSON_PARSE.html; the limits are those of
-- https://docs.aws.amazon.com/redshift/latest/dg/limitations-super.html
CREATE OR REPLACE FUNCTION pg_catalog.json_parse(value text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    parsed jsonb;
BEGIN
    IF octet_length(value) > 16777216 THEN
        RAISE EXCEPTION 'SUPER value has % bytes, at most 16777216 are allowed', octet_length(value);
    END IF;
    parsed := value::jsonb;
    IF octet_length(value) > 65535 AND EXISTS (
        SELECT 1 FROM jsonb_path_query(parsed, 'strict $.** ? (@.type() == "string")') s
        WHERE octet_length(s #>> '{}') > 65535)
    THEN
        RAISE EXCEPTION 'String value exceeds the max size of 65535 bytes';
    END IF;
    IF octet_length(value) > 2000 AND jsonb_path_exists(
        parsed, 'strict $.**{1000} ? (@.type() == "array" || @.type() == "object")')
    THEN
        RAISE EXCEPTION 'SUPER value is nested deeper than 1000 levels';
    END IF;
    RETURN parsed;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/CAN_JSON_PARSE.html
CREATE OR REPLACE FUNCTION pg_catalog.can_json_parse(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM pg_catalog.json_parse(value);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/JSON_SERIALIZE.html
CREATE OR REPLACE FUNCTION pg_catalog.json_serialize(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT regexp_replace($1::text, E'("(?:[^"\\\\]|\\\\.)*")|\\s+', E'\\1', 'g') $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_GETDATE.html and r_SYSDATE.html
CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT date_trunc('second', statement_timestamp()::timestamp) $$;
CREATE OR REPLACE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT transaction_timestamp()::timestamp $$;
CREATE OR REPLACE FUNCTION pg_catalog.len(value text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT char_length($1) $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html
CREATE OR REPLACE FUNCTION pg_catalog.redshift_datepart(part text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE lower($1)
        WHEN 'y' THEN 'year' WHEN 'yr' THEN 'year' WHEN 'years' THEN 'year' WHEN 'mon' THEN 'month' WHEN 'mons' THEN 'month'
        WHEN 'months' THEN 'month' WHEN 'qtr' THEN 'quarter' WHEN 'quarters' THEN 'quarter' WHEN 'w' THEN 'week'
        WHEN 'weeks' THEN 'week' WHEN 'd' THEN 'day' WHEN 'days' THEN 'day' WHEN 'h' THEN 'hour' WHEN 'hr' THEN 'hour'
        WHEN 'hours' THEN 'hour' WHEN 'm' THEN 'minute' WHEN 'min' THEN 'minute' WHEN 'mins' THEN 'minute'
        WHEN 'minutes' THEN 'minute' WHEN 's' THEN 'second' WHEN 'sec' THEN 'second' WHEN 'seconds' THEN 'second'
        WHEN 'ms' THEN 'millisecond' WHEN 'msec' THEN 'millisecond' WHEN 'milliseconds' THEN 'millisecond'
        WHEN 'us' THEN 'microsecond' WHEN 'usec' THEN 'microsecond' WHEN 'microseconds' THEN 'microsecond'
        ELSE lower($1) END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEADD_function.html
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, moment timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT $3 + $2 * CASE redshift_datepart($1) WHEN 'quarter' THEN interval '3 months'
        ELSE ('1 ' || redshift_datepart($1))::interval END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEDIFF_function.html: counts the boundaries between the two.
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, start timestamp, finish timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE redshift_datepart($1)
        WHEN 'year' THEN (date_part('year', $3) - date_part('year', $2))::bigint
        WHEN 'quarter' THEN ((date_part('year', $3) - date_part('year', $2)) * 4
            + date_part('quarter', $3) - date_part('quarter', $2))::bigint
        WHEN 'month' THEN ((date_part('year', $3) - date_part('year', $2)) * 12
            + date_part('month', $3) - date_part('month', $2))::bigint
        WHEN 'week' THEN (date_trunc('week', $3)::date - date_trunc('week', $2)::date)::bigint / 7
        WHEN 'day' THEN ($3::date - $2::date)::bigint
        WHEN 'microsecond' THEN (extract(epoch FROM $3 - $2) * 1000000)::bigint
        ELSE (extract(epoch FROM date_trunc(redshift_datepart($1), $3) - date_trunc(redshift_datepart($1), $2))
            * CASE redshift_datepart($1) WHEN 'millisecond' THEN 1000 ELSE 1 END)::bigint
            / CASE redshift_datepart($1) WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END
    END $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/PG_LAST_COPY_ID.html and PG_LAST_COPY_COUNT.html
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE(NULLIF(current_setting('redshift.copy_id', true), ''), '-1')::bigint $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE(NULLIF(current_setting('redshift.copy_count', true), ''), '-1')::bigint $$;

CREATE OR REPLACE FUNCTION pg_catalog.redshift_type(kind oid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN t.typname LIKE 'varchar#_%' ESCAPE '#' AND t.typtype = 'd' THEN 'character varying'
        WHEN t.typname LIKE 'char#_%' ESCAPE '#' AND t.typtype = 'd' THEN 'character'
        WHEN t.typname = 'text' THEN 'character varying'
        WHEN t.typname = 'jsonb' THEN 'super'
        ELSE format_type(t.oid, NULL) END
    FROM pg_type t WHERE t.oid = $1 $$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMNS.html
CREATE OR REPLACE VIEW pg_catalog.svv_columns AS
SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema,
    redshift_long(c.relname) AS table_name, redshift_long(a.attname) AS column_name,
    row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)::integer AS ordinal_position,
    pg_get_expr(d.adbin, d.adrelid) AS column_default,
    CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, redshift_type(a.atttypid) AS data_type,
    CASE WHEN t.typtype = 'd' THEN substring(t.typname from '[0-9]+$')::integer
        WHEN t.typname = 'text' THEN 65535
        WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS character_maximum_length,
    CASE t.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 WHEN 'float4' THEN 24
        WHEN 'float8' THEN 53 WHEN 'numeric' THEN ((a.atttypmod - 4) >> 16) & 65535 END AS numeric_precision,
    CASE WHEN t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8') THEN 2 WHEN t.typname = 'numeric' THEN 10 END
        AS numeric_precision_radix,
    CASE WHEN t.typname IN ('int2', 'int4', 'int8') THEN 0 WHEN t.typname = 'numeric' THEN (a.atttypmod - 4) & 65535 END
        AS numeric_scale,
    CASE WHEN t.typname LIKE 'time%' THEN 6 END AS datetime_precision,
    NULL::text AS interval_type, NULL::text AS interval_precision, NULL::text AS character_set_catalog,
    NULL::text AS character_set_schema, NULL::text AS character_set_name, NULL::text AS collation_catalog,
    NULL::text AS collation_schema, NULL::text AS collation_name, NULL::text AS domain_name,
    col_description(c.oid, a.attnum) AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT LIKE 'pg#_toast%' ESCAPE '#' AND n.nspname <> 'redshift_types';

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TABLES.html
CREATE OR REPLACE VIEW pg_catalog.svv_tables AS
SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema,
    redshift_long(c.relname) AS table_name,
    CASE WHEN n.nspname LIKE 'pg#_temp%' ESCAPE '#' THEN 'LOCAL TEMPORARY' WHEN c.relkind = 'v' THEN 'VIEW'
        ELSE 'BASE TABLE' END AS table_type,
    obj_description(c.oid, 'pg_class') AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT LIKE 'pg#_toast%' ESCAPE '#'
UNION
SELECT current_database()::text, v.view_schema, redshift_long(v.view_name), 'VIEW', NULL
FROM pg_catalog.redshift_late_views v;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_REDSHIFT_COLUMNS.html
CREATE OR REPLACE VIEW pg_catalog.svv_redshift_columns AS
SELECT v.table_catalog AS database_name, v.table_schema AS schema_name, v.table_name, v.column_name, v.ordinal_position,
    v.data_type || COALESCE('(' || v.character_maximum_length || ')', '') AS data_type, v.column_default, v.is_nullable,
    COALESCE(a.encodings ->> v.column_name, 'none') AS encoding, a.distkey IS NOT DISTINCT FROM v.column_name AS distkey,
    COALESCE(array_position(a.sortkey, v.column_name), 0) AS sortkey, NULL::text AS column_acl, v.remarks
FROM pg_catalog.svv_columns v
    LEFT JOIN pg_catalog.redshift_long_names ln ON ln.long = v.table_name
    JOIN pg_class c ON c.relname = COALESCE(ln.short, v.table_name)
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = v.table_schema
    LEFT JOIN pg_catalog.redshift_table_attributes a ON a.table_id = c.oid;

GRANT SELECT ON ALL TABLES IN SCHEMA pg_catalog TO PUBLIC;
RESET allow_system_table_mods;
