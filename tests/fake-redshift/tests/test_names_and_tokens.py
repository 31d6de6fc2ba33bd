"""Identifiers, literals and comments are read as Redshift reads them."""

import unittest

import support
from fake_redshift import tokens


class Tokens(unittest.TestCase):
    def test_semicolons_in_strings_comments_and_names_split_nothing(self):
        sql = "SELECT ';', \";\" /* ; /* ; */ ; */ -- ;\n, $a$ ; $a$; SELECT 2"
        self.assertEqual(len(tokens.statements(tokens.tokenise(sql))), 2)

    def test_a_backslash_escapes_a_quote_in_a_literal(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_patternmatching_condition_like.html doubles backslashes."""
        self.assertEqual([t.text for t in tokens.tokenise(r"'a\'; b' c")], [r"'a\'; b'", "c"])

    def test_a_value_survives_being_made_a_literal(self):
        for value in ("plain", "it's", "back\\slash", "\\'", "multi\nline"):
            self.assertEqual(tokens.value_of(tokens.tokenise(tokens.literal(value))[0]), value)

    def test_rendering_keeps_what_touches(self):
        for sql in ("SELECT a.b::int, -1", "SELECT a<-1", "SELECT e'x' || 'y'"):
            self.assertEqual(tokens.render(tokens.tokenise(sql)), sql)

    def test_what_does_not_end_is_refused(self):
        for sql in ("'a", '"a', "/* a", "$$ a", '""'):
            with self.assertRaises(Exception, msg=sql) as caught:
                tokens.tokenise(sql)
            self.assertEqual(caught.exception.sqlstate, "42601")


class Names(support.SqlCase):
    def test_identifiers_fold_to_lower_case_even_when_quoted(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_names.html"""
        self.run_sql('CREATE TABLE "MixedCase" ("TheColumn" INTEGER)')
        self.run_sql("INSERT INTO mixedcase (THECOLUMN) VALUES (1)")
        found = self.connection.execute('SELECT "THEcolumn" FROM "mixedCASE"')
        self.assertEqual((found.description[0].name, found.fetchall()), ("thecolumn", [(1,)]))

    def test_names_of_127_bytes_stay_apart_and_are_shown_whole(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_names.html"""
        table, first, second = "t" * 127, "c" * 126 + "1", "c" * 126 + "2"
        self.run_sql(f'CREATE TABLE {table} ("{first}" INTEGER, "{second}" INTEGER)')
        self.run_sql(f'INSERT INTO "{table}" VALUES (1, 2)')
        found = self.connection.execute(f"SELECT {second}, {first} FROM {table}")
        self.assertEqual([c.name for c in found.description], [second, first])
        self.assertEqual(found.fetchall(), [(2, 1)])
        columns = self.run_sql(f"SELECT column_name FROM svv_columns WHERE table_name = '{table}' ORDER BY ordinal_position")
        self.assertEqual(columns, [(first,), (second,)])
        self.refused(f"INSERT INTO {table} ({first}) VALUES ('x')", "invalid input")
        self.refused(f"ALTER TABLE {table} ADD COLUMN {first} INTEGER", f'"{first}" of relation "{table}" already exists')

    def test_a_name_of_128_bytes_is_refused(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_names.html"""
        self.refused(f"CREATE TABLE {'t' * 128} (a INTEGER)", "128 bytes, at most 127")
        self.refused(f'CREATE TABLE t ("{"é" * 64}" INTEGER)', "128 bytes, at most 127")

    def test_a_reserved_word_is_a_name_only_when_quoted(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_pg_keywords.html"""
        for word in ("tag", "timestamp", "snapshot", "open", "user", "partition"):
            self.refused(f"CREATE TABLE t_{word} ({word} INTEGER)", f'at or near "{word}"')
            self.refused(f"CREATE TABLE {word} (a INTEGER)", f'at or near "{word}"')
            self.run_sql(f'CREATE TABLE t_{word} ("{word}" INTEGER)')
        self.refused("SELECT tag FROM t_tag", 'at or near "tag"')
        self.refused("ALTER TABLE t_tag ADD COLUMN delta INTEGER", 'at or near "delta"')
        self.assertEqual(self.run_sql('SELECT "tag" FROM t_tag'), [])

    def test_a_backslash_in_a_literal_is_an_escape(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_patternmatching_condition_like.html"""
        self.assertEqual(self.run_sql(r"SELECT 'a\\b', 'it\'s'"), [("a\\b", "it's")])
