use super::*;
use crate::options::from_json;

fn build(text: &str, json: &str) -> Result<Dataset> {
    let options: CsvOptions = from_json("fromCsv", json)?;
    let kinds = options.kinds.clone();
    from_table(
        csv::parse(
            text.as_bytes(),
            &csv::Options {
                kinds,
                ..Default::default()
            },
        )?,
        &options,
    )
}

fn schema(data: &Dataset) -> serde_json::Value {
    serde_json::to_value(data.schema()).unwrap()
}

const SHIP: &str = "who,age,port,alone,fee,w,y\nanna,1,S,True,5,1,no\nben,,C,False,6,2,yes\nanna,3,S,,7,1,no\n";

#[test]
fn each_column_gets_its_role() {
    let data = build(SHIP, r#"{"target":"y","groups":"who","weights":"w","drop":["fee"]}"#).unwrap();
    let columns = serde_json::json!([
        { "name": "age", "kind": "number" },
        { "name": "port", "kind": "category", "levels": ["C", "S"] },
        { "name": "alone", "kind": "number" }
    ]);
    assert_eq!(schema(&data)["columns"], columns);
    assert_eq!(
        schema(&data)["target"],
        serde_json::json!({ "kind": "classes", "names": ["no", "yes"] })
    );
    assert_eq!(
        (data.labels(), data.groups(), data.weights()),
        (Some(vec![0, 1, 0]), Some(vec![0, 1, 0]), Some(vec![1.0, 2.0, 1.0]))
    );
    let features = data.features_f64().unwrap();
    assert_eq!(features[..3], [1.0, 1.0, 1.0]);
    assert!(features[3].is_nan() && features[8].is_nan());
    assert_eq!(data.source().groups().unwrap().names, ["anna", "ben"]);
}

#[test]
fn the_task_follows_from_the_target() {
    let text = "x,n,b,t\n1,10,true,u\n2,9,false,v\n3,10,true,u\n";
    let target = |json: &str| build(text, json).map(|data| (schema(&data)["target"].clone(), data.labels(), data.targets()));
    let (schema, _, values) = target(r#"{"target":"n"}"#).unwrap();
    assert_eq!(
        (schema, values),
        (
            serde_json::json!({ "kind": "numbers", "names": ["n"], "width": 1 }),
            Some(vec![10.0, 9.0, 10.0])
        )
    );
    let (schema, labels, _) = target(r#"{"target":"n","task":"classification"}"#).unwrap();
    assert_eq!(
        (schema["names"].clone(), labels),
        (serde_json::json!(["9", "10"]), Some(vec![1, 0, 1]))
    );
    let (schema, labels, _) = target(r#"{"target":"n","task":"classification","positiveClass":9}"#).unwrap();
    assert_eq!(
        (schema["names"].clone(), labels),
        (serde_json::json!(["10", "9"]), Some(vec![0, 1, 0]))
    );
    let (schema, ..) = target(r#"{"target":"b"}"#).unwrap();
    assert_eq!(schema["names"], serde_json::json!(["false", "true"]));
    let (schema, ..) = target(r#"{"target":"b","positiveClass":false}"#).unwrap();
    assert_eq!(schema["names"], serde_json::json!(["true", "false"]));
    let (schema, _, values) = target(r#"{"target":["n","x"]}"#).unwrap();
    assert_eq!(
        (schema["width"].as_u64(), values),
        (Some(2), Some(vec![10.0, 1.0, 9.0, 2.0, 10.0, 3.0]))
    );
}

#[test]
fn errors_name_what_is_wrong() {
    let cases = [
        (
            r#"{"target":"Age "}"#,
            Code::InvalidOption,
            "target: there is no column \"Age \"\n  Hint: Did you mean \"age\"?",
        ),
        (r#"{"target":"y","drop":["prt"]}"#, Code::InvalidOption, "drop: there is no column"),
        (
            r#"{"target":"y","drop":["y"]}"#,
            Code::InvalidOption,
            "named by both target and drop",
        ),
        (r#"{"target":"y","groups":"y"}"#, Code::InvalidOption, "both target and groups"),
        (r#"{"target":["age","age"]}"#, Code::InvalidOption, "both target and target"),
        (
            r#"{"target":"age"}"#,
            Code::InvalidData,
            "target \"age\", row 1: the target is missing",
        ),
        (r#"{"target":"alone"}"#, Code::InvalidData, "target \"alone\", row 2"),
        (r#"{"target":"y","weights":"port"}"#, Code::InvalidData, "weights"),
        (r#"{"target":"y","weights":"age"}"#, Code::InvalidData, "the weight is missing"),
        (r#"{"target":"y","groups":"age"}"#, Code::InvalidData, "the group is missing"),
        (r#"{"target":"y","task":"regression"}"#, Code::InvalidOption, "text"),
        (
            r#"{"target":"fee","positiveClass":5}"#,
            Code::InvalidOption,
            "task: 'classification'",
        ),
        (
            r#"{"target":"y","positiveClass":"yess"}"#,
            Code::InvalidOption,
            "Did you mean \"yes\"?",
        ),
        (
            r#"{"target":"fee","task":"classification","positiveClass":5}"#,
            Code::InvalidOption,
            "two classes",
        ),
        (r#"{"target":["y","fee"],"positiveClass":"yes"}"#, Code::InvalidOption, "one target"),
        (r#"{"target":["y","fee"],"task":"regression"}"#, Code::InvalidOption, "text"),
        (r#"{"positiveClass":"yes"}"#, Code::InvalidOption, "need a target"),
        (r#"{"target":"y","kinds":{"port":"text"}}"#, Code::NotImplemented, "text features"),
        (r#"{"targt":"y"}"#, Code::InvalidOption, "Did you mean \"target\"?"),
        (
            r#"{"target":"y","kinds":{"port":"categroy"}}"#,
            Code::InvalidOption,
            "Did you mean \"category\"?",
        ),
        (
            r#"{"target":"y","drop":["who","age","port","alone","fee","w"]}"#,
            Code::InvalidData,
            "no features",
        ),
    ];
    for (json, code, text) in cases {
        let error = build(SHIP, json).unwrap_err();
        assert!(error.code == code && error.to_string().contains(text), "{json}: {error}");
    }
    assert_eq!(build("a,b\n", "{}").unwrap_err().code, Code::InvalidData);
}

#[test]
fn a_column_declared_category_sorts_numbers_by_value() {
    let data = build("zip,x\n10,1\n9,2\n10,3\n", r#"{"kinds":{"zip":"category"}}"#).unwrap();
    assert_eq!(schema(&data)["columns"][0]["levels"], serde_json::json!(["9", "10"]));
    assert_eq!(data.features_f64().unwrap()[0], 1.0);
}

#[test]
fn several_targets_have_names_where_some_are_classes() {
    let data = build(SHIP, r#"{"target":["y","fee"],"drop":["age","alone"]}"#).unwrap();
    let Some(crate::TargetSchema::Several { targets }) = data.schema().target else {
        panic!("{:?}", data.schema())
    };
    let names: Vec<&str> = targets.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["y", "fee"]);
    assert_eq!(data.select(&[2, 1]).unwrap().targets().unwrap(), [0.0, 7.0, 1.0, 6.0]);
    assert!(data.labels().is_none() && data.classes().is_none());
    let again = data.select(&[2, 1]).unwrap().with_features(1, crate::Matrix::F64(vec![0.0; 2]));
    assert_eq!(again.targets().unwrap(), [0.0, 7.0, 1.0, 6.0]);
    assert_ne!(data.fingerprint().unwrap(), data.select(&[0, 2, 1]).unwrap().fingerprint().unwrap());
}
