//! The only way between the host and a Candle device, with a count of what crosses.
//!
//! Candle uploads more often than its interface shows: `arange`, `Tensor::new` and a comparison with a number all copy
//! from the host. So layers take constants from here, where they stay on the device after their first use, and a test
//! reads the sources of this folder for other ways.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use candle_core::{Device, Result, Shape, Tensor, WithDType};

use crate::Traffic;

pub(super) struct Bus {
    device: Device,
    traffic: Cell<Traffic>,
    constants: RefCell<HashMap<Constant, Tensor>>,
}

/// A constant by its content, so that a copy on the device fits every graph.
#[derive(PartialEq, Eq, Hash)]
struct Constant {
    /// Whether the words are bits of f32 or integers.
    floats: bool,
    words: Vec<u32>,
    shape: Vec<usize>,
}

impl Bus {
    pub(super) fn new(device: Device) -> Self {
        Self { device, traffic: Cell::default(), constants: RefCell::default() }
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    /// Copies values to the device.
    pub(super) fn up<T: WithDType>(&self, values: &[T], shape: impl Into<Shape>) -> Result<Tensor> {
        let tensor = Tensor::from_slice(values, shape.into(), &self.device)?;
        self.count(size_of_val(values), |traffic, bytes| traffic.up += bytes);
        Ok(tensor)
    }

    /// Copies a tensor's values to the host, in row-major order.
    pub(super) fn down<T: WithDType>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        let values = tensor.flatten_all()?.to_vec1()?;
        self.count(size_of_val(&values[..]), |traffic, bytes| traffic.down += bytes);
        Ok(values)
    }

    /// A constant that stays on the device.
    pub(super) fn floats(&self, values: &[f32], shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let words = values.iter().map(|value| value.to_bits()).collect();
        self.constant(true, words, shape.dims(), || self.up(values, shape.dims()))
    }

    /// The same, of positions.
    pub(super) fn positions(&self, values: &[u32], shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        self.constant(false, values.to_vec(), shape.dims(), || self.up(values, shape.dims()))
    }

    /// 0, 1, 2, …, as f32 of a shape.
    pub(super) fn numbers(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let values: Vec<f32> = (0..shape.elem_count()).map(|i| i as f32).collect();
        self.floats(&values, shape)
    }

    fn constant(
        &self,
        floats: bool,
        words: Vec<u32>,
        shape: &[usize],
        make: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let constant = Constant { floats, words, shape: shape.to_vec() };
        if let Some(tensor) = self.constants.borrow().get(&constant) {
            return Ok(tensor.clone());
        }
        let tensor = make()?;
        self.constants.borrow_mut().insert(constant, tensor.clone());
        Ok(tensor)
    }

    fn count(&self, bytes: usize, add: impl FnOnce(&mut Traffic, u64)) {
        let mut traffic = self.traffic.get();
        add(&mut traffic, bytes as u64);
        traffic.transfers += 1;
        self.traffic.set(traffic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_is_counted_and_constants_cross_once() {
        let bus = Bus::new(Device::Cpu);
        let bytes = bus.up(&[1u8, 2, 3], 3).unwrap();
        assert_eq!(bus.down::<u8>(&bytes).unwrap(), [1, 2, 3]);
        assert_eq!(bus.traffic(), Traffic { up: 3, down: 3, transfers: 2 });
        for _ in 0..3 {
            assert_eq!(bus.down::<f32>(&bus.floats(&[0.0, 1.0], 2).unwrap()).unwrap(), [0.0, 1.0]);
            assert_eq!(bus.down::<u32>(&bus.positions(&[0, 0x3f80_0000], 2).unwrap()).unwrap(), [0, 0x3f80_0000]);
            assert_eq!(bus.numbers((2, 1)).unwrap().dims(), [2, 1]);
        }
        assert_eq!(bus.traffic(), Traffic { up: 3 + 8 + 8 + 8, down: 3 + 6 * 8, transfers: 2 + 3 + 6 });
    }

    /// Ways of Candle to copy between host and device, also where it does not say so.
    const WAYS: [&str; 19] = [
        "Tensor::new(",
        "Tensor::from_slice(",
        "Tensor::from_vec(",
        "Tensor::from_iter(",
        "Tensor::arange",
        "Var::from_slice(",
        "Var::from_vec(",
        "Var::new(",
        ".to_vec0(",
        ".to_vec1(",
        ".to_vec2(",
        ".to_vec3(",
        ".to_scalar",
        ".to_device(",
        ".clamp(",
        "one_hot",
        ".gt(0",
        ".lt(0",
        ".eq(number",
    ];

    #[test]
    fn nothing_crosses_by_another_way() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/candle");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Variables are copied for another program, and not by a pass.
            if ["bus.rs", "variables.rs"].iter().any(|other| path.ends_with(other)) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for (number, line) in product.lines().enumerate() {
                let way = WAYS.iter().find(|way| line.contains(**way));
                assert_eq!(way, None, "{}:{}: {line}", path.display(), number + 1);
            }
            read += 1;
        }
        assert!(read >= 9, "{read} files");
    }
}
