package counterparts;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.AbstractMap.SimpleEntry;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.iceberg.StructLike;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.types.Type;
import org.apache.iceberg.types.Types;

/**
 * Values of Iceberg's generic records in the form that all counterparts answer in, and back. Integers, decimals and times are
 * strings (days, or the type's own unit since its epoch), floats numbers but for NaN and the infinities, bytes hexadecimal, maps
 * lists of pairs in the order of their keys' JSON.
 */
final class PlainValues {
  private static final LocalDateTime EPOCH = LocalDateTime.ofEpochSecond(0, 0, ZoneOffset.UTC);

  private PlainValues() {}

  static Map<String, Object> plain(Record row) {
    Map<String, Object> plain = new LinkedHashMap<>();
    List<Types.NestedField> fields = row.struct().fields();
    for (int i = 0; i < fields.size(); i++) plain.put(fields.get(i).name(), plain(row.get(i), fields.get(i).type()));
    return plain;
  }

  /** Nanoseconds as they are: the unit is the type's. */
  private static Object plain(Object value, Type type) {
    if (value == null) return null;
    return switch (type.typeId()) {
      case BOOLEAN, STRING -> value;
      case INTEGER, LONG -> String.valueOf(value);
      case FLOAT, DOUBLE -> floating(((Number) value).doubleValue());
      case DECIMAL -> ((BigDecimal) value).toPlainString();
      case DATE -> String.valueOf(((LocalDate) value).toEpochDay());
      case TIME -> String.valueOf(((LocalTime) value).toNanoOfDay() / 1_000);
      case TIMESTAMP, TIMESTAMP_NANO -> {
        LocalDateTime local = value instanceof OffsetDateTime zoned ? zoned.toLocalDateTime() : (LocalDateTime) value;
        Instant instant = local.toInstant(ZoneOffset.UTC);
        yield type.typeId() == Type.TypeID.TIMESTAMP ? micros(instant) : nanos(instant);
      }
      case UUID -> value.toString();
      case FIXED, BINARY, GEOMETRY -> hex(value instanceof ByteBuffer buffer ? bytes(buffer) : (byte[]) value);
      case STRUCT -> plain((Record) value);
      case LIST -> {
        List<Object> list = new ArrayList<>();
        for (Object each : (List<?>) value) list.add(plain(each, type.asListType().elementType()));
        yield list;
      }
      case MAP -> {
        List<Map.Entry<Object, Object>> entries = new ArrayList<>();
        ((Map<?, ?>) value)
            .forEach((key, each) -> entries.add(entry(plain(key, type.asMapType().keyType()), plain(each, type.asMapType().valueType()))));
        yield map(entries);
      }
      default -> value.toString();
    };
  }

  static Record record(JsonNode row, Types.StructType type) {
    GenericRecord record = GenericRecord.create(type);
    for (Types.NestedField field : type.fields()) {
      JsonNode value = row.get(field.name());
      record.setField(field.name(), value == null ? null : value(value, field.type()));
    }
    return record;
  }

  static Object value(JsonNode plain, Type type) {
    if (plain.isNull()) return null;
    String text = plain.asText();
    return switch (type.typeId()) {
      case BOOLEAN -> plain.asBoolean();
      case STRING -> text;
      case INTEGER -> Integer.parseInt(text);
      case LONG -> Long.parseLong(text);
      case FLOAT -> Float.parseFloat(text);
      case DOUBLE -> Double.parseDouble(text);
      case DECIMAL -> new BigDecimal(text).setScale(((Types.DecimalType) type).scale());
      case DATE -> LocalDate.ofEpochDay(Long.parseLong(text));
      case TIME -> LocalTime.ofNanoOfDay(Long.parseLong(text) * 1_000);
      case TIMESTAMP -> local(Long.parseLong(text), ChronoUnit.MICROS, ((Types.TimestampType) type).shouldAdjustToUTC());
      case TIMESTAMP_NANO ->
          local(Long.parseLong(text), ChronoUnit.NANOS, ((Types.TimestampNanoType) type).shouldAdjustToUTC());
      case UUID -> UUID.fromString(text);
      case FIXED -> HexFormat.of().parseHex(text);
      case BINARY, GEOMETRY -> ByteBuffer.wrap(HexFormat.of().parseHex(text));
      case STRUCT -> record(plain, type.asStructType());
      case LIST -> {
        List<Object> list = new ArrayList<>();
        plain.forEach(each -> list.add(value(each, type.asListType().elementType())));
        yield list;
      }
      case MAP -> {
        Map<Object, Object> map = new LinkedHashMap<>();
        plain.forEach(pair -> map.put(value(pair.get(0), type.asMapType().keyType()), value(pair.get(1), type.asMapType().valueType())));
        yield map;
      }
      default -> throw new IllegalArgumentException("no value of type " + type);
    };
  }

  /** The fields of a partition tuple or another struct of Iceberg's internal values, as text. */
  static Map<String, Object> internals(StructLike struct, Types.StructType type) {
    Map<String, Object> plain = new LinkedHashMap<>();
    for (int i = 0; i < type.fields().size(); i++) {
      Object value = struct.get(i, Object.class);
      Object text = value instanceof ByteBuffer buffer ? hex(bytes(buffer)) : value == null ? null : value.toString();
      plain.put(type.fields().get(i).name(), text);
    }
    return plain;
  }

  private static Object local(long value, ChronoUnit unit, boolean zoned) {
    LocalDateTime local = EPOCH.plus(value, unit);
    return zoned ? local.atOffset(ZoneOffset.UTC) : local;
  }

  static String micros(Instant instant) {
    return String.valueOf(Math.addExact(Math.multiplyExact(instant.getEpochSecond(), 1_000_000L), instant.getNano() / 1_000));
  }

  private static String nanos(Instant instant) {
    BigInteger seconds = BigInteger.valueOf(instant.getEpochSecond());
    return seconds.multiply(BigInteger.valueOf(1_000_000_000)).add(BigInteger.valueOf(instant.getNano())).toString();
  }

  static Object floating(double value) {
    return Double.isFinite(value) ? (Object) value : (Object) String.valueOf(value);
  }

  static String hex(byte[] bytes) {
    return HexFormat.of().withUpperCase().formatHex(bytes);
  }

  static byte[] bytes(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }

  static Map.Entry<Object, Object> entry(Object key, Object value) {
    return new SimpleEntry<>(key, value);
  }

  static List<List<Object>> map(List<Map.Entry<Object, Object>> entries) {
    entries.sort(Comparator.comparing(each -> json(each.getKey())));
    List<List<Object>> pairs = new ArrayList<>();
    for (Map.Entry<Object, Object> each : entries) {
      List<Object> pair = new ArrayList<>();
      pair.add(each.getKey());
      pair.add(each.getValue());
      pairs.add(pair);
    }
    return pairs;
  }

  private static String json(Object value) {
    try {
      return Driver.JSON.writeValueAsString(value);
    } catch (JsonProcessingException error) {
      throw new UncheckedIOException(error);
    }
  }
}
