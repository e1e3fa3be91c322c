//! Files as `torch.save` wrote them before PyTorch 1.6, with one dictionary of tensors or several.

/// Tensors with name, shape and values.
pub type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// The bytes that `torch.save({key: {name: tensor, …}, …, "epoch": 3}, …, _use_new_zipfile_serialization=False)` writes. Without a key,
/// the dictionary itself is saved.
pub fn saved(dicts: &[(&str, &Tensors)]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    }
    fn counts(out: &mut Vec<u8>, counts: impl IntoIterator<Item = usize>) {
        out.push(b'(');
        for count in counts {
            out.push(b'J');
            out.extend((count as i32).to_le_bytes());
        }
        out.push(b't');
    }
    let mut out = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    out.extend(b"\x80\x02}(X\x0d\x00\x00\x00little_endian\x88u.\x80\x02");
    let nested = !dicts.iter().any(|(key, _)| key.is_empty());
    if nested {
        out.extend(b"}(X\x05\x00\x00\x00epochK\x03");
    }
    let mut storages = Vec::new();
    for (key, tensors) in dicts {
        let path: Vec<&str> = key.split('.').filter(|part| !part.is_empty()).collect();
        for (depth, part) in path.iter().enumerate() {
            if depth > 0 {
                out.extend(b"}(");
            }
            text(&mut out, part);
        }
        out.extend(b"}(");
        for (name, shape, values) in *tensors {
            text(&mut out, name);
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n");
            text(&mut out, &storages.len().to_string());
            text(&mut out, "cpu");
            out.push(b'J');
            out.extend((values.len() as i32).to_le_bytes());
            out.extend(b"tQK\x00");
            counts(&mut out, shape.iter().copied());
            counts(&mut out, (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()));
            out.extend(b"\x89}tR");
            storages.push(values);
        }
        out.push(b'u');
        out.extend(std::iter::repeat_n(b'u', path.len().saturating_sub(1)));
    }
    out.extend(if nested { &b"u."[..] } else { b"." });
    out.extend(b"\x80\x02](");
    for number in 0..storages.len() {
        text(&mut out, &number.to_string());
    }
    out.extend(b"e.");
    for values in storages {
        out.extend((values.len() as i64).to_le_bytes());
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    out
}
