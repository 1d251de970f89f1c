package counterparts;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.iceberg.Table;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.InternalRecordWrapper;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.expressions.Evaluator;
import org.apache.iceberg.expressions.Expression;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.types.Type;

/** What a scan finds by a filter, with files and row groups passed over, beside what is there: the rows that fit, of all. */
final class Filters {
  private Filters() {}

  static List<Object> answer(Table table, JsonNode filters) throws IOException {
    List<Record> all = new ArrayList<>();
    try (CloseableIterable<Record> records = IcebergGenerics.read(table).build()) {
      records.forEach(record -> all.add(record.copy()));
    }
    InternalRecordWrapper internal = new InternalRecordWrapper(table.schema().asStruct());
    List<Object> answers = new ArrayList<>();
    for (JsonNode filter : filters) {
      Expression expression = expression(table, filter);
      Evaluator evaluator = new Evaluator(table.schema().asStruct(), expression);
      long there = all.stream().filter(record -> evaluator.eval(internal.wrap(record))).count();
      long found = 0;
      try (CloseableIterable<Record> records = IcebergGenerics.read(table).where(expression).build()) {
        for (Record unused : records) found++;
      }
      long files = 0;
      try (CloseableIterable<?> tasks = table.newScan().filter(expression).planFiles()) {
        for (Object unused : tasks) files++;
      }
      answers.add(Map.of("found", found, "there", there, "files", files));
    }
    return answers;
  }

  /**
   * A column, an operation and, for most, a value of the column's type. Null and NaN, which scans and
   * evaluators take differently, fit no comparison.
   */
  private static Expression expression(Table table, JsonNode filter) {
    String column = filter.get("column").asText();
    Type type = table.schema().findType(column);
    Expression.Operation operation = Expression.Operation.fromString(filter.get("op").asText());
    if (!filter.has("value")) return Expressions.predicate(operation, column);
    Expression comparison = Expressions.predicate(operation, column, value(filter.get("value"), type));
    boolean floating = type.typeId() == Type.TypeID.FLOAT || type.typeId() == Type.TypeID.DOUBLE;
    if (floating) comparison = Expressions.and(comparison, Expressions.notNaN(column));
    return Expressions.and(comparison, Expressions.notNull(column));
  }

  /** As literals are made of it: days and microseconds are numbers, nanoseconds text. */
  private static Object value(JsonNode plain, Type type) {
    return switch (type.typeId()) {
      case DATE -> Integer.parseInt(plain.asText());
      case TIME, TIMESTAMP -> Long.parseLong(plain.asText());
      case TIMESTAMP_NANO -> PlainValues.value(plain, type).toString();
      default -> PlainValues.value(plain, type);
    };
  }
}
