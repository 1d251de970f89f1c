package counterparts;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogProperties;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** One Spark for all tests, and in it a session with a catalog for each of them. */
final class Sessions {
  private record Session(JdbcCatalog catalog, SparkSession spark) {}

  private final Map<String, Session> sessions = new HashMap<>();
  private SparkSession spark;

  Object answer(String op, JsonNode args) throws Exception {
    if (op.equals("open")) return open(args);
    Session session = sessions.get(args.get("session").asText());
    if (session == null) throw new IllegalArgumentException("no session " + args.get("session"));
    return switch (op) {
      case "close" -> close(args.get("session").asText());
      case "sql" -> sql(session.spark, args.get("sql").asText());
      default -> new JavaTables(session.catalog).answer(op, args);
    };
  }

  /** A session is named by the test; its catalog is a SQLite file, opened both for Spark and for the Java library by itself. */
  private Object open(JsonNode args) throws Exception {
    String catalogName = args.get("catalog").asText();
    Map<String, String> properties = new LinkedHashMap<>();
    properties.put(CatalogProperties.URI, "jdbc:sqlite:" + args.get("file").asText());
    properties.put(CatalogProperties.WAREHOUSE_LOCATION, args.get("warehouse").asText());
    properties.put("jdbc.schema-version", "V1");
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.setConf(new Configuration());
    catalog.initialize(catalogName, properties);

    SparkSession session = root().newSession();
    String prefix = "spark.sql.catalog." + catalogName;
    session.conf().set(prefix, "org.apache.iceberg.spark.SparkCatalog");
    session.conf().set(prefix + ".catalog-impl", JdbcCatalog.class.getName());
    // A cached table would hide what others commit meanwhile.
    session.conf().set(prefix + ".cache-enabled", "false");
    properties.forEach((key, value) -> session.conf().set(prefix + "." + key, value));
    session.conf().set("spark.sql.defaultCatalog", catalogName);
    sessions.put(args.get("session").asText(), new Session(catalog, session));
    return null;
  }

  private Object close(String name) throws Exception {
    sessions.remove(name).catalog.close();
    return null;
  }

  private static Object sql(SparkSession session, String sql) {
    SparkSession.setActiveSession(session);
    Dataset<Row> result = session.sql(sql);
    List<Object> rows = new ArrayList<>();
    for (Row row : result.collectAsList()) rows.add(SparkValues.plain(row, result.schema()));
    return rows;
  }

  private SparkSession root() throws Exception {
    if (spark != null) return spark;
    String scratch = Files.createTempDirectory("hindcast-spark-").toString();
    spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.local.dir", scratch)
            .config("spark.sql.warehouse.dir", "file://" + scratch)
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.datetime.java8API.enabled", "true")
            .config("spark.sql.geospatial.enabled", "true")
            // Tables are tiny here: what helps large queries only costs time.
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.default.parallelism", "2")
            .config("spark.sql.adaptive.enabled", "false")
            .config("spark.sql.codegen.wholeStage", "false")
            .getOrCreate();
    return spark;
  }
}
