"""Results written down: JSON records, the classic result folder, CSV and a picture."""

from emotrace.outputs.folder import check_folder, load_embedding, write_folder
from emotrace.outputs.picture import check_picture, save_picture
from emotrace.outputs.records import (
    SCHEMA_VERSION,
    Granularity,
    failure_record,
    frame_records,
    quality_record,
    reason_record,
    recognition_record,
    verdict_record,
    write_json,
)
from emotrace.outputs.table import CsvTable, csv_file

__all__ = [
    "SCHEMA_VERSION",
    "CsvTable",
    "Granularity",
    "check_folder",
    "check_picture",
    "csv_file",
    "failure_record",
    "frame_records",
    "load_embedding",
    "quality_record",
    "reason_record",
    "recognition_record",
    "save_picture",
    "verdict_record",
    "write_folder",
    "write_json",
]
