//! The subset of Python's pickle language that stores weights and arrays, read as data. Nothing is imported or called, and nothing is
//! built except the values of this file.
//!
//! A pickle is a program for a machine with a stack and a memo. This machine knows protocols 2 to 5. Each object is stored once in an
//! arena and referred to by number. So memory stays in proportion to the file's length, despite nesting and repetition, and cycles are
//! harmless. The opcodes are those of Python's module `pickletools`.

use std::collections::HashMap;

use crate::{
    Error, Result,
    globals::{Global, Vocabulary},
    tensor::Dtype,
};

/// The greatest number of objects in one pickle. A checkpoint of a large network with its optimiser has some ten thousand.
const MAX_OBJECTS: usize = 1 << 20;

/// The greatest number of dimensions of a tensor, as in PyTorch.
const MAX_RANK: usize = 64;

/// The number of an object in [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(usize);

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    Text(&'a str),
    /// Bytes of Python 3, or a string of Python 2 that is not valid text.
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(View<'a>),
    Object(Object),
    /// A value that is not part of any weight.
    Ignored,
}

/// An object of a class whose content is decoded after the pickle was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) class: Global,
    /// The arguments of its constructor, a tuple.
    pub(crate) arguments: Id,
    /// The state that it was given afterwards.
    pub(crate) state: Option<Id>,
}

/// The place of the tensors' bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Storage<'a> {
    pub(crate) dtype: Dtype,
    /// Name within the file.
    pub(crate) key: &'a str,
    /// Elements of `dtype`.
    pub(crate) len: usize,
}

/// A tensor whose storage has not been found yet. Counts are in elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View<'a> {
    pub(crate) storage: Storage<'a>,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// A pickle that was read to its end.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
    /// The number of bytes that it took.
    pub(crate) len: usize,
}

impl<'a> Pickle<'a> {
    /// Reads one pickle from the beginning of `bytes`. It may ask for the names in `vocabulary`.
    pub(crate) fn read(bytes: &'a [u8], vocabulary: Vocabulary) -> Result<Self> {
        let mut machine =
            Machine { bytes, vocabulary, at: 0, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new() };
        loop {
            let start = machine.at;
            let opcode = machine.byte()?;
            if opcode == b'.' {
                let root = machine.pop()?;
                return Ok(Self { values: machine.values, root, len: machine.at });
            }
            machine.step(opcode, start)?;
        }
    }

    /// The outermost object.
    pub(crate) fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }

    /// The number of the outermost object.
    pub(crate) fn root_id(&self) -> Id {
        self.root
    }

    /// The object with this number.
    pub(crate) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0]
    }

    /// Every storage that any object refers to.
    pub(crate) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.values.iter().filter_map(|value| if let Value::Storage(storage) = value { Some(storage) } else { None })
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    vocabulary: Vocabulary,
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at each mark; the innermost mark is last.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8, start: usize) -> Result<()> {
        match opcode {
            // PROTO, FRAME
            0x80 => self.protocol()?,
            0x95 => drop(self.take(8)?),
            // MARK, POP, POP_MARK, ADDITEMS (to a set, whose items are not needed), DUP
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.pop_or_unmark()?,
            b'1' | 0x90 => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            // BININT1, BININT2, BININT, LONG1, LONG4, BINFLOAT
            b'K' => self.natural(1)?,
            b'M' => self.natural(2)?,
            b'J' => {
                let digits = self.take(4)?;
                self.integer(digits)?;
            }
            0x8A | 0x8B => {
                let digits = self.counted(if opcode == 0x8A { 1 } else { 4 })?;
                self.integer(digits)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Ignored)?;
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, BINSTRING, SHORT_BINSTRING
            b'X' | b'T' => self.text(4, opcode == b'T')?,
            0x8C | b'U' => self.text(1, opcode == b'U')?,
            0x8D => self.text(8, false)?,
            // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
            b'B' => self.run_of_bytes(4)?,
            b'C' => self.run_of_bytes(1)?,
            0x8E | 0x96 => self.run_of_bytes(8)?,
            // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
            b')' => self.push(Value::Tuple(vec![]))?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            // EMPTY_LIST, LIST, APPEND, APPENDS
            b']' => self.push(Value::List(vec![]))?,
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(vec![]))?,
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(vec![]))?;
                self.set_items(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            // EMPTY_SET, FROZENSET
            0x8F => self.push(Value::Ignored)?,
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Ignored)?;
            }
            // GLOBAL, STACK_GLOBAL, INST
            b'c' | b'i' => self.global(opcode == b'i')?,
            0x93 => self.stack_global()?,
            // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, BINPERSID
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.apply(callable, arguments)?;
            }
            0x92 => {
                let (_, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.apply(callable, arguments)?;
            }
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => self.memoise_as(1)?,
            b'r' => self.memoise_as(4)?,
            0x94 => drop(self.memo.insert(self.memo.len() as u64, self.top()?)),
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            other => {
                let what =
                    if other.is_ascii_graphic() { format!("`{}`", char::from(other)) } else { format!("{other:#04x}") };
                let reason = format!("it has the opcode {what}, which files of weights and arrays do not use");
                return Err(Error::Pickle { at: start, reason });
            }
        }
        Ok(())
    }

    fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::Pickle { at: self.at, reason: reason.into() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let taken =
            taken.ok_or_else(|| self.damaged(format!("it ends too early: {count} more bytes should follow")))?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// Reads a little-endian number of `width` bytes, at most 8.
    fn unsigned(&mut self, width: usize) -> Result<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Reads a length of `width` bytes, and then that many bytes.
    fn counted(&mut self, width: usize) -> Result<&'a [u8]> {
        let count = self.unsigned(width)?;
        // A length that exceeds the address space also exceeds the file.
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn protocol(&mut self) -> Result<()> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => {
                Err(self.damaged(format!("it has the pickle protocol {other}, and only protocols 2 to 5 are read")))
            }
        }
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len() == MAX_OBJECTS {
            return Err(
                self.damaged(format!("it holds more than {MAX_OBJECTS} objects, and weights or arrays need far fewer"))
            );
        }
        self.stack.push(Id(self.values.len()));
        self.values.push(value);
        Ok(())
    }

    /// The lowest height that may be popped: the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        let id = self.stack.last().filter(|_| self.stack.len() > self.floor());
        id.copied().ok_or_else(|| self.damaged("it uses an object, but its stack is empty"))
    }

    fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// POP removes a mark if one is on top.
    fn pop_or_unmark(&mut self) -> Result<()> {
        if self.marks.pop_if(|mark| *mark == self.stack.len()).is_none() {
            self.pop()?;
        }
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("it uses a mark, but it set none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn natural(&mut self, width: usize) -> Result<()> {
        let value = self.unsigned(width)?;
        self.push(Value::Int(value.into()))
    }

    /// Reads a signed little-endian integer. One that is too long for any count is dropped.
    fn integer(&mut self, digits: &[u8]) -> Result<()> {
        let sign = if digits.last().is_some_and(|last| *last >= 0x80) { 0xFF } else { 0 };
        let mut extended = [sign; 16];
        let value = if digits.len() <= extended.len() {
            extended[..digits.len()].copy_from_slice(digits);
            Value::Int(i128::from_le_bytes(extended))
        } else {
            Value::Ignored
        };
        self.push(value)
    }

    fn memoise_as(&mut self, width: usize) -> Result<()> {
        let index = self.unsigned(width)?;
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<()> {
        let index = self.unsigned(width)?;
        let id = self.memo.get(&index).copied();
        self.stack.push(id.ok_or_else(|| self.damaged(format!("it uses the memo {index}, which it never set")))?);
        Ok(())
    }

    /// Text, or a string of Python 2, which may be bytes that are not valid text.
    fn text(&mut self, width: usize, may_be_bytes: bool) -> Result<()> {
        let bytes = self.counted(width)?;
        let value = match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text),
            Err(_) if may_be_bytes => Value::Bytes(bytes),
            Err(error) => return Err(self.damaged(format!("a text is not UTF-8 ({error})"))),
        };
        self.push(value)
    }

    fn run_of_bytes(&mut self, width: usize) -> Result<()> {
        let bytes = self.counted(width)?;
        self.push(Value::Bytes(bytes))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, mut new: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match &mut self.values[target.0] {
            Value::List(items) => items.append(&mut new),
            Value::Ignored => {}
            _ => return Err(self.damaged("it appends to an object that is not a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, flat: &[Id]) -> Result<()> {
        let target = self.top()?;
        let (pairs, rest) = flat.as_chunks();
        match &mut self.values[target.0] {
            _ if !rest.is_empty() => return Err(self.damaged("a dictionary has a key without a value")),
            Value::Dict(items) => items.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Value::Ignored => {}
            _ => return Err(self.damaged("it sets an entry of an object that is not a dictionary")),
        }
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| self.damaged("it ends within a name"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| self.damaged("a name is not UTF-8"))
    }

    fn global(&mut self, instantiates: bool) -> Result<()> {
        let (module, name) = (self.line()?, self.line()?);
        let global = self.vocabulary.find(module, name)?;
        if instantiates {
            return Err(self.damaged("it has the opcode `i`, which files of weights and arrays do not use"));
        }
        self.push(Value::Global(global))
    }

    fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (&self.values[module.0], &self.values[name.0]) else {
            return Err(self.damaged("the name of a function is not text"));
        };
        let global = self.vocabulary.find(module, name)?;
        self.push(Value::Global(global))
    }

    /// Sets the state of the object on top. Other values drop it; for a state dict, for example, it is the versions of modules.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.top()?;
        if let Value::Object(object) = &mut self.values[target.0] {
            object.state = Some(state);
        }
        Ok(())
    }

    /// Replaces a call by its value.
    fn apply(&mut self, callable: Id, tuple: Id) -> Result<()> {
        let (Value::Global(global), Value::Tuple(arguments)) = (&self.values[callable.0], &self.values[tuple.0]) else {
            return Err(self.damaged("it calls an object that is not a function"));
        };
        let value = match global {
            Global::Dictionary => Value::Dict(vec![]),
            Global::Ignored => Value::Ignored,
            Global::Array | Global::ElementType | Global::ArrayOfBuffer | Global::Scalar | Global::Encoded => {
                Value::Object(Object { class: *global, arguments: tuple, state: None })
            }
            Global::RebuildTensor => {
                let view = self.view(arguments);
                Value::Tensor(
                    view.ok_or_else(|| self.damaged("a tensor is not described in the way that PyTorch does"))?,
                )
            }
            Global::RebuildParameter => {
                let tensor = arguments.first().filter(|id| matches!(self.values[id.0], Value::Tensor(_)));
                self.stack.push(
                    *tensor.ok_or_else(|| self.damaged("a parameter is made from an object that is not a tensor"))?,
                );
                return Ok(());
            }
            Global::Storage(_) => return Err(self.damaged("the values of a tensor are in the pickle itself")),
        };
        self.push(value)
    }

    /// `(storage, offset, shape, strides, …)`; only autograd needs the rest.
    fn view(&self, arguments: &[Id]) -> Option<View<'a>> {
        let [storage, offset, shape, strides, ..] = arguments else { return None };
        let Value::Storage(storage) = &self.values[storage.0] else { return None };
        Some(View {
            storage: storage.clone(),
            offset: self.count(*offset)?,
            shape: self.counts(*shape)?,
            strides: self.counts(*strides)?,
        })
    }

    /// `('storage', kind, key, device, elements)`, PyTorch's reference to data outside of the pickle. Older versions add a sixth item,
    /// which is `None` unless the storage is part of another.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage =
            self.storage(id).ok_or_else(|| self.damaged("it refers to an object that is not a storage of PyTorch"))?;
        self.push(Value::Storage(storage))
    }

    fn storage(&self, id: Id) -> Option<Storage<'a>> {
        let Value::Tuple(items) = &self.values[id.0] else { return None };
        let [tag, kind, key, _device, len, rest @ ..] = &items[..] else { return None };
        let whole = rest.iter().all(|id| self.values[id.0] == Value::None);
        match (&self.values[tag.0], &self.values[kind.0], &self.values[key.0]) {
            (Value::Text("storage"), Value::Global(Global::Storage(dtype)), Value::Text(key)) if whole => {
                Some(Storage { dtype: *dtype, key, len: self.count(*len)? })
            }
            _ => None,
        }
    }

    fn count(&self, id: Id) -> Option<usize> {
        if let Value::Int(count) = self.values[id.0] { usize::try_from(count).ok() } else { None }
    }

    fn counts(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Tuple(items) = &self.values[id.0] else { return None };
        // The limit keeps the copies in proportion to the file, because many tensors may use one tuple.
        if items.len() > MAX_RANK {
            return None;
        }
        items.iter().map(|id| self.count(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(program: &[u8]) -> String {
        Pickle::read(program, Vocabulary::Weights).unwrap_err().to_string()
    }

    #[test]
    fn containers_are_read_and_shared_objects_stay_one() {
        // pickle.dumps({"a": (1, -2, 300), "b": x, "c": [x, True]}, 2) with x = [None]
        let program = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01J\xfe\xff\xff\xffM,\x01\x87X\x01\x00\x00\x00b]q\x01Na\
                        X\x01\x00\x00\x00c](h\x01\x88eu.";
        let pickle = Pickle::read(program, Vocabulary::Weights).unwrap();
        assert_eq!(pickle.len, program.len());
        let Value::Dict(entries) = pickle.root() else { panic!("{:?}", pickle.root()) };
        assert_eq!(entries.len(), 3);
        assert_eq!(pickle.get(entries[0].0), &Value::Text("a"));
        let Value::Tuple(numbers) = pickle.get(entries[0].1) else { panic!() };
        assert_eq!(numbers.iter().map(|id| pickle.get(*id).clone()).collect::<Vec<_>>(), [1, -2, 300].map(Value::Int));
        let Value::List(last) = pickle.get(entries[2].1) else { panic!() };
        assert_eq!(last[0], entries[1].1);
    }

    #[test]
    fn long_integers_are_signed() {
        for (program, value) in [
            (&b"\x8a\x00."[..], Value::Int(0)),
            (b"\x8a\x01\xff.", Value::Int(-1)),
            (b"\x8b\x02\x00\x00\x00\x00\x80.", Value::Int(-32768)),
            (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", Value::Int(0x1950_A86A_20F9_469C_FC6C)),
            (b"\x8a\x11aaaaaaaaaaaaaaaaa.", Value::Ignored),
        ] {
            assert_eq!(Pickle::read(program, Vocabulary::Weights).unwrap().root(), &value);
        }
    }

    #[test]
    fn whatever_is_not_allowed_is_refused_by_its_name() {
        let asks = "the file asks for `os.system`, which no weights need";
        // GLOBAL, STACK_GLOBAL, INST.
        assert!(refusal(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").starts_with(asks));
        assert!(refusal(b"\x80\x04\x8c\x02os\x8c\x06system\x93.").starts_with(asks));
        assert!(refusal(b"(X\x02\x00\x00\x00lsios\nsystem\n.").starts_with(asks));
        let hostile = refusal(b"c\x1b[2Jos\n\x07system\n.");
        assert!(hostile.starts_with("the file asks for `\\u{1b}[2Jos.\\u{7}system`"), "{hostile}");
    }

    #[test]
    fn programs_that_do_not_fit_together_are_refused() {
        for (program, reason) in [
            (&b""[..], "it ends"),
            (b"\x80\x02", "it ends"),
            (b"\x80\x01.", "the pickle protocol 1"),
            (b".", "it uses an object, but its stack is empty"),
            (b"(.", "it uses an object, but its stack is empty"),
            (b"N(a.", "it uses an object, but its stack is empty"),
            (b"t.", "it uses a mark, but it set none"),
            (b"NNa.", "not a list"),
            (b"NNNs.", "not a dictionary"),
            (b"}(Nu.", "a dictionary has a key without a value"),
            (b"h\x07.", "the memo 7"),
            (b"X\xff\xff\xff\xffa.", "it ends too early: 4294967295 more bytes"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "it ends too early"),
            (b"X\x01\x00\x00\x00\xff.", "not UTF-8"),
            (b"I1\n.", "opcode `I`"),
            (b"\x82\x01.", "opcode 0x82"),
            (b"N)R.", "not a function"),
            (b"ctorch\nFloatStorage\n)R.", "in the pickle itself"),
            (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor is not described"),
            (b"ctorch._utils\n_rebuild_parameter\nN\x85R.", "not a tensor"),
            (b"NQ.", "not a storage"),
            (b"cos", "it ends within a name"),
        ] {
            let found = refusal(program);
            assert!(found.contains(reason), "{program:?}: {found}");
        }
    }

    #[test]
    fn objects_are_limited_and_cycles_are_harmless() {
        let mut many = vec![b'N'; MAX_OBJECTS + 1];
        many.push(b'.');
        assert!(refusal(&many).contains("more than 1048576 objects"));
        // A list that contains itself.
        let pickle = Pickle::read(b"]q\x00h\x00a.", Vocabulary::Weights).unwrap();
        let Value::List(items) = pickle.root() else { panic!() };
        assert_eq!(pickle.get(items[0]), pickle.root());
    }
}
