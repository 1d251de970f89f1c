package counterparts;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.iceberg.AppendFiles;
import org.apache.iceberg.BaseTable;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.FileScanTask;
import org.apache.iceberg.MetadataColumns;
import org.apache.iceberg.PartitionKey;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.PartitionSpecParser;
import org.apache.iceberg.RowDelta;
import org.apache.iceberg.Schema;
import org.apache.iceberg.SchemaParser;
import org.apache.iceberg.SnapshotUpdate;
import org.apache.iceberg.SingleValueParser;
import org.apache.iceberg.SortOrderParser;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableMetadataParser;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.SupportsNamespaces;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.BaseDeleteLoader;
import org.apache.iceberg.data.GenericFileWriterFactory;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.InternalRecordWrapper;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.deletes.BaseDVFileWriter;
import org.apache.iceberg.deletes.EqualityDeleteWriter;
import org.apache.iceberg.deletes.PositionDelete;
import org.apache.iceberg.deletes.PositionDeleteIndex;
import org.apache.iceberg.deletes.PositionDeleteWriter;
import org.apache.iceberg.encryption.EncryptedOutputFile;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.expressions.Literal;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.DataWriter;
import org.apache.iceberg.io.DeleteWriteResult;
import org.apache.iceberg.io.OutputFileFactory;
import org.apache.iceberg.types.Type;
import org.apache.iceberg.types.Types;

/** What Iceberg's Java library does by itself: it has types, file formats and kinds of deletes that Spark does not write. */
final class JavaTables {
  private final Catalog catalog;

  JavaTables(Catalog catalog) {
    this.catalog = catalog;
  }

  Object answer(String op, JsonNode args) throws IOException {
    if (op.equals("create")) return create(args);
    Table table = catalog.loadTable(TableIdentifier.parse(args.get("table").asText()));
    return switch (op) {
      case "read" -> read(table, args);
      // As text: a reader of the answer need not be able to hold 64-bit numbers.
      case "metadata" -> TableMetadataParser.toJson(((BaseTable) table).operations().current());
      case "filters" -> Filters.answer(table, args.get("filters"));
      case "addColumn" -> addColumn(table, args);
      case "append" -> append(table, args);
      case "deleteEqual" -> deleteEqual(table, args);
      case "deletePositions" -> deletePositions(table, args);
      default -> throw new IllegalArgumentException("no operation " + op);
    };
  }

  /** Schema, spec and sort order in the metadata's own JSON. */
  private Object create(JsonNode args) {
    TableIdentifier identifier = TableIdentifier.parse(args.get("table").asText());
    Namespace namespace = identifier.namespace();
    SupportsNamespaces namespaces = (SupportsNamespaces) catalog;
    if (!namespaces.namespaceExists(namespace)) namespaces.createNamespace(namespace);
    Schema schema = SchemaParser.fromJson(args.get("schema").toString());
    Catalog.TableBuilder builder = catalog.buildTable(identifier, schema);
    if (args.has("spec")) builder.withPartitionSpec(PartitionSpecParser.fromJson(schema, args.get("spec").toString()));
    if (args.has("sort-order")) builder.withSortOrder(SortOrderParser.fromJson(schema, args.get("sort-order").toString()));
    if (args.has("properties")) {
      args.get("properties").fields().forEachRemaining(each -> builder.withProperty(each.getKey(), each.getValue().asText()));
    }
    return builder.create().location();
  }

  /** The default is a text of JSON, as single values are. */
  private static Object addColumn(Table table, JsonNode args) {
    Type type = Types.fromTypeName(args.get("type").asText());
    Literal<?> value = Expressions.lit(SingleValueParser.fromJson(type, args.get("default").asText()));
    table.updateSchema().addColumn(args.get("column").asText(), type, null, value).commit();
    return null;
  }

  private static Object read(Table table, JsonNode args) throws IOException {
    IcebergGenerics.ScanBuilder scan = IcebergGenerics.read(table);
    if (args.has("ref")) scan.useSnapshot(table.refs().get(args.get("ref").asText()).snapshotId());
    if (args.has("snapshot")) scan.useSnapshot(args.get("snapshot").asLong());
    List<Object> rows = new ArrayList<>();
    try (CloseableIterable<Record> records = scan.build()) {
      for (Record record : records) {
        Map<String, Object> row = PlainValues.plain(record);
        // Where deletes are applied it hands out the positions too.
        row.keySet().removeIf(MetadataColumns::isMetadataColumn);
        rows.add(row);
      }
    }
    return rows;
  }

  private static Object append(Table table, JsonNode args) throws IOException {
    FileFormat format = FileFormat.fromString(args.has("format") ? args.get("format").asText() : "parquet");
    GenericFileWriterFactory writers =
        new GenericFileWriterFactory.Builder(table).dataFileFormat(format).dataSchema(table.schema()).build();
    OutputFileFactory places = places(table, format);
    AppendFiles append = args.path("fast").asBoolean() ? table.newFastAppend() : table.newAppend();
    for (Map.Entry<PartitionKey, List<Record>> part : partitioned(table, args.get("rows"), table.schema()).entrySet()) {
      DataWriter<Record> writer = writers.newDataWriter(place(places, table, part.getKey()), table.spec(), key(table, part.getKey()));
      try (writer) {
        part.getValue().forEach(writer::write);
      }
      append.appendFile(writer.toDataFile());
    }
    return commit(table, append, args);
  }

  /** Every older row that equals a given one in the named columns is gone; the given rows' partitions say where. */
  private static Object deleteEqual(Table table, JsonNode args) throws IOException {
    List<String> names = new ArrayList<>();
    args.get("columns").forEach(each -> names.add(each.asText()));
    Schema schema = table.schema().select(names);
    int[] ids = names.stream().mapToInt(name -> table.schema().findField(name).fieldId()).toArray();
    GenericFileWriterFactory writers =
        new GenericFileWriterFactory.Builder(table)
            .deleteFileFormat(FileFormat.fromString(args.has("format") ? args.get("format").asText() : "parquet"))
            .equalityFieldIds(ids)
            .equalityDeleteRowSchema(schema)
            .build();
    OutputFileFactory places = places(table, FileFormat.PARQUET);
    RowDelta delta = table.newRowDelta();
    // A delete under an unpartitioned spec is global, so an older spec can be named.
    PartitionSpec spec = args.has("spec") ? table.specs().get(args.get("spec").asInt()) : table.spec();
    if (spec.isUnpartitioned()) {
      EqualityDeleteWriter<Record> writer = writers.newEqualityDeleteWriter(places.newOutputFile(spec, null), spec, null);
      try (writer) {
        for (JsonNode row : args.get("rows")) writer.write(PlainValues.record(row, schema.asStruct()));
      }
      delta.addDeletes(writer.toDeleteFile());
      return commit(table, delta, args);
    }
    for (Map.Entry<PartitionKey, List<Record>> part : partitioned(table, args.get("rows"), table.schema()).entrySet()) {
      EqualityDeleteWriter<Record> writer = writers.newEqualityDeleteWriter(place(places, table, part.getKey()), spec, part.getKey());
      try (writer) {
        for (Record row : part.getValue()) {
          Map<String, Object> values = new HashMap<>();
          for (String name : names) values.put(name, row.getField(name));
          writer.write(GenericRecord.create(schema).copy(values));
        }
      }
      delta.addDeletes(writer.toDeleteFile());
    }
    return commit(table, delta, args);
  }

  /** Deletes rows at positions of data files: by delete files in version 2, by deletion vectors in version 3. */
  private static Object deletePositions(Table table, JsonNode args) throws IOException {
    boolean vectors = ((BaseTable) table).operations().current().formatVersion() >= 3;
    OutputFileFactory places = places(table, vectors ? FileFormat.PUFFIN : FileFormat.PARQUET);
    GenericFileWriterFactory writers =
        new GenericFileWriterFactory.Builder(table).deleteFileFormat(FileFormat.PARQUET).build();
    Map<String, FileScanTask> tasks = new HashMap<>();
    try (CloseableIterable<FileScanTask> planned = table.newScan().planFiles()) {
      planned.forEach(task -> tasks.put(task.file().location(), task));
    }
    RowDelta delta = table.newRowDelta().validateFromSnapshot(table.currentSnapshot().snapshotId());
    BaseDeleteLoader loader = new BaseDeleteLoader(file -> table.io().newInputFile(file.location()));
    BaseDVFileWriter vectorWriter =
        new BaseDVFileWriter(places, path -> vectors ? previous(loader, tasks.get(path)) : null);
    for (JsonNode each : args.get("deletes")) {
      String path = each.get("file").asText();
      FileScanTask task = tasks.get(path);
      if (vectors) {
        each.get("positions").forEach(at -> vectorWriter.delete(path, at.asLong(), task.spec(), task.file().partition()));
        continue;
      }
      PositionDeleteWriter<Record> writer =
          writers.newPositionDeleteWriter(
              task.spec().isUnpartitioned() ? places.newOutputFile() : places.newOutputFile(task.spec(), task.file().partition()),
              task.spec(),
              task.file().partition());
      try (writer) {
        for (JsonNode at : each.get("positions")) writer.write(PositionDelete.<Record>create().set(path, at.asLong()));
      }
      delta.addDeletes(writer.toDeleteFile());
    }
    vectorWriter.close();
    if (vectors) {
      DeleteWriteResult result = vectorWriter.result();
      result.deleteFiles().forEach(delta::addDeletes);
      result.rewrittenDeleteFiles().forEach(delta::removeDeletes);
    }
    return commit(table, delta, args);
  }

  private static PositionDeleteIndex previous(BaseDeleteLoader loader, FileScanTask task) {
    return task.deletes().isEmpty() ? null : loader.loadPositionDeletes(task.deletes(), task.file().location());
  }

  private static Map<PartitionKey, List<Record>> partitioned(Table table, JsonNode rows, Schema schema) {
    InternalRecordWrapper wrapper = new InternalRecordWrapper(schema.asStruct());
    PartitionKey key = new PartitionKey(table.spec(), schema);
    Map<PartitionKey, List<Record>> parts = new LinkedHashMap<>();
    for (JsonNode row : rows) {
      Record record = PlainValues.record(row, schema.asStruct());
      key.partition(wrapper.wrap(record));
      parts.computeIfAbsent(key.copy(), unused -> new ArrayList<>()).add(record);
    }
    return parts;
  }

  private static OutputFileFactory places(Table table, FileFormat format) {
    return OutputFileFactory.builderFor(table, 1, 1).operationId(UUID.randomUUID().toString()).format(format).build();
  }

  private static EncryptedOutputFile place(OutputFileFactory places, Table table, PartitionKey key) {
    return table.spec().isUnpartitioned() ? places.newOutputFile() : places.newOutputFile(table.spec(), key);
  }

  private static PartitionKey key(Table table, PartitionKey key) {
    return table.spec().isUnpartitioned() ? null : key;
  }

  private static Object commit(Table table, SnapshotUpdate<?> update, JsonNode args) {
    String branch = args.has("branch") ? args.get("branch").asText() : "main";
    update.toBranch(branch);
    update.commit();
    table.refresh();
    return String.valueOf(table.snapshot(branch).snapshotId());
  }
}
