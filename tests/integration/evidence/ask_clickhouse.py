"""Questions on stdin, answers on stdout: ClickHouse's engine, in this process (chDB)."""

import json
import sys

import chdb


def main() -> None:
    told = json.load(sys.stdin)
    session = chdb.session.Session()
    for table, paths in told["tables"].items():
        listed = "{" + ",".join(paths) + "}" if len(paths) > 1 else paths[0]
        session.query(f"CREATE VIEW {table} AS SELECT * FROM file('{listed}', Parquet)")
    answers = {}
    for name, sql in told["questions"].items():
        found = session.query(sql, "JSONCompact").bytes()
        answers[name] = json.loads(found)["data"]
    print(json.dumps(answers))


main()
