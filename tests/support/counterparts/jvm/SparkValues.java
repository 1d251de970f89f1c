package counterparts;

import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.Geometry;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import scala.jdk.javaapi.CollectionConverters;

/** Spark's values in the form that all counterparts answer in. */
final class SparkValues {
  private SparkValues() {}

  static Map<String, Object> plain(Row row, StructType type) {
    Map<String, Object> plain = new LinkedHashMap<>();
    StructField[] fields = type.fields();
    for (int i = 0; i < fields.length; i++) plain.put(fields[i].name(), plain(row.get(i), fields[i].dataType()));
    return plain;
  }

  private static Object plain(Object value, DataType type) {
    if (value == null) return null;
    if (type instanceof StructType struct) return plain((Row) value, struct);
    if (type instanceof ArrayType array) {
      List<Object> plain = new ArrayList<>();
      for (Object element : CollectionConverters.asJava((scala.collection.Iterable<?>) value)) {
        plain.add(plain(element, array.elementType()));
      }
      return plain;
    }
    if (type instanceof MapType map) {
      List<Map.Entry<Object, Object>> entries = new ArrayList<>();
      CollectionConverters.asJava((scala.collection.Map<?, ?>) value)
          .forEach((key, each) -> entries.add(PlainValues.entry(plain(key, map.keyType()), plain(each, map.valueType()))));
      return PlainValues.map(entries);
    }
    if (value instanceof Boolean || value instanceof String) return value;
    if (value instanceof Float number) return PlainValues.floating(number.doubleValue());
    if (value instanceof Double number) return PlainValues.floating(number);
    if (value instanceof Number number && !(value instanceof BigDecimal)) return String.valueOf(number.longValue());
    if (value instanceof BigDecimal decimal) return decimal.toPlainString();
    if (value instanceof LocalDate date) return String.valueOf(date.toEpochDay());
    if (value instanceof Instant instant) return PlainValues.micros(instant);
    if (value instanceof LocalDateTime local) return PlainValues.micros(local.toInstant(java.time.ZoneOffset.UTC));
    if (value instanceof Geometry geometry) return PlainValues.hex(geometry.getBytes());
    if (value instanceof byte[] bytes) return PlainValues.hex(bytes);
    return value.toString();
  }
}
