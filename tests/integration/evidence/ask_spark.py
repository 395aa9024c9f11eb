"""Questions on stdin, answers on stdout: a Spark cluster, whose master is the argument."""

import json
import sys

from pyspark.sql import SparkSession


def main(master: str) -> None:
    told = json.load(sys.stdin)
    options = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "600m",
        "spark.executor.memory": "500m",
        "spark.executor.cores": "1",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.cores.max": "2",
        "spark.sql.session.timeZone": "UTC",
    }
    builder = SparkSession.builder.master(master).appName("checkvalve")
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        for table, paths in told["tables"].items():
            spark.read.parquet(*paths).createOrReplaceTempView(table)
        answers = {name: [list(row) for row in spark.sql(sql).collect()] for name, sql in told["questions"].items()}
        hosts = spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
        answers["executors"] = [[len(hosts) - 1]]  # the driver counts as one
        print(json.dumps(answers))
    finally:
        spark.stop()


main(sys.argv[1])
