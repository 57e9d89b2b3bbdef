//! `attribute_values(events, 'exception.type')`: what the events, or the links, of a span have under a key, as a list of texts.
//! SQL has no other way into maps inside of lists but to make a row of each.
use super::documents;
use arrow::array::{Array, AsArray, ListArray, ListBuilder, MapArray, StringArray, StringBuilder, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ScalarValue, exec_datafusion_err, plan_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

const NAME: &str = "attribute_values";

/// The field of an event or a link that has its attributes.
const ATTRIBUTES: &str = "attributes";

pub(super) fn values() -> ScalarUDF {
    ScalarUDF::new_from_impl(AttributeValues { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AttributeValues {
    signature: Signature,
}

impl ScalarUDFImpl for AttributeValues {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(NAME)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(texts())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let [of, _] = arguments.arg_fields else { return Err(misused()) };
        let has_attributes = match of.data_type() {
            DataType::List(item) => match item.data_type() {
                DataType::Struct(parts) => {
                    parts.iter().any(|part| part.name() == ATTRIBUTES && matches!(part.data_type(), DataType::Map(..)))
                }
                _ => false,
            },
            _ => false,
        };
        match (has_attributes, arguments.scalar_arguments) {
            (true, [_, Some(key)]) if key.data_type().is_string() => Ok(Arc::new(Field::new(NAME, texts(), true))),
            _ => Err(misused()),
        }
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [of, ColumnarValue::Scalar(key)] = call.args.as_slice() else { return Err(misused()) };
        let list = of.to_array(call.number_rows)?;
        let list = list.as_list_opt::<i32>().ok_or_else(misused)?;
        let ScalarValue::Utf8(Some(key)) = key.cast_to(&DataType::Utf8)? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(&texts())?));
        };
        Ok(ColumnarValue::Array(Arc::new(found(list, &key)?)))
    }
}

fn texts() -> DataType {
    metlog_schemas::table::list_type()
}

fn misused() -> datafusion::error::DataFusionError {
    plan_datafusion_err!("attribute_values(events, 'key') or (links, 'key'): the key is a constant text")
}

/// `event_names(events)`: what happened, as a list of texts.
pub(super) fn names() -> ScalarUDF {
    ScalarUDF::new_from_impl(EventNames { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EventNames {
    signature: Signature,
}

fn no_events() -> datafusion::error::DataFusionError {
    plan_datafusion_err!("event_names(events): a list of events is required")
}

impl ScalarUDFImpl for EventNames {
    fn name(&self) -> &str {
        "event_names"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(self.name())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::List(item)] => match item.data_type() {
                DataType::Struct(parts)
                    if parts.iter().any(|part| part.name() == "name" && *part.data_type() == DataType::Utf8) =>
                {
                    Ok(texts())
                }
                _ => Err(no_events()),
            },
            _ => Err(no_events()),
        }
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [of] = call.args.as_slice() else { return Err(no_events()) };
        let list = of.to_array(call.number_rows)?;
        let list = list.as_list_opt::<i32>().ok_or_else(no_events)?;
        let items = list.values().as_struct_opt().ok_or_else(no_events)?;
        let names = Arc::clone(items.column_by_name("name").ok_or_else(no_events)?);
        let element = Arc::new(Field::new("element", DataType::Utf8, true));
        let names = ListArray::try_new(element, list.offsets().clone(), names, list.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(names)))
    }
}

/// For each row the values of the key, in the order of its items.
fn found(list: &ListArray, key: &str) -> Result<ListArray> {
    let unexpected = || exec_datafusion_err!("attribute_values: items without attributes");
    let items: &StructArray = list.values().as_struct_opt().ok_or_else(unexpected)?;
    let maps: &MapArray = items.column_by_name(ATTRIBUTES).and_then(|maps| maps.as_map_opt()).ok_or_else(unexpected)?;
    let text = |column: &Arc<dyn Array>| arrow::compute::cast(column, &DataType::Utf8);
    let (keys, values) = (text(maps.keys())?, text(maps.values())?);
    let (keys, values): (&StringArray, &StringArray) = (keys.as_string(), values.as_string());
    let element = Field::new("element", DataType::Utf8, true);
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(element);
    let (offsets, of_maps) = (list.value_offsets(), maps.value_offsets());
    for row in 0..list.len() {
        if list.is_null(row) {
            builder.append_null();
            continue;
        }
        for item in offsets[row] as usize..offsets[row + 1] as usize {
            for entry in of_maps[item] as usize..of_maps[item + 1] as usize {
                if keys.value(entry) == key {
                    builder.values().append_option(values.is_valid(entry).then(|| values.value(entry)));
                }
            }
        }
        builder.append(true);
    }
    Ok(builder.finish())
}
