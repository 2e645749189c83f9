// Sixteen pictures, with the crates ort 2 and ndarray, rand and rand_distr. Unlike the other examples this one is not run by a test.
use ort::{inputs, session::Session, value::Tensor};
use rand::{rngs::StdRng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

fn main() -> ort::Result<()> {
    let path = std::env::args().nth(1).expect("generator.onnx");
    let mut session = Session::builder()?.commit_from_file(path)?;
    let mut random = StdRng::seed_from_u64(7);
    let noise: Vec<f32> = (0..16 * 100).map(|_| StandardNormal.sample(&mut random)).collect();
    let z = Tensor::from_array(([16usize, 100], noise))?;
    let outputs = session.run(inputs!["z" => z])?;
    let (shape, pixels) = outputs["image"].try_extract_tensor::<f32>()?; // (16, 1, 28, 28), -1 is black and 1 is white
    println!("{} pictures of {} x {}, {} values", shape[0], shape[3], shape[2], pixels.len());
    Ok(())
}
