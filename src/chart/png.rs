//! Pixels as a PNG file with a palette: a picture of few colours takes a third of what it would with three bytes a pixel.

use std::collections::HashMap;

use super::raster::Pixels;

/// Colours of a palette, at most. Of more each that is close to a more frequent one becomes that.
const COLORS_MAX: usize = 256;
/// How hard is tried to make the file small, from 0 to 10.
const LEVEL: u8 = 6;
/// Pixels per metre: shown at 144 to the inch the picture has its size in CSS pixels.
const PER_METRE: u32 = 5669;

pub(super) fn encoded(pixels: &Pixels) -> Vec<u8> {
    let (palette, index) = palette(pixels);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend((pixels.width as u32).to_be_bytes());
    header.extend((pixels.height as u32).to_be_bytes());
    // Eight bits, indices into a palette, and the only compression, filter and order that there are.
    header.extend([8, 3, 0, 0, 0]);
    chunk(&mut png, *b"IHDR", &header);
    let mut density = Vec::new();
    density.extend(PER_METRE.to_be_bytes());
    density.extend(PER_METRE.to_be_bytes());
    density.push(1);
    chunk(&mut png, *b"pHYs", &density);
    chunk(&mut png, *b"PLTE", palette.as_flattened());
    chunk(&mut png, *b"IDAT", &data(pixels, &index));
    chunk(&mut png, *b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    png.extend((content.len() as u32).to_be_bytes());
    png.extend(name);
    png.extend(content);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&name);
    sum.update(content);
    png.extend(sum.finalize().to_be_bytes());
}

/// The rows as indices, each after the mark of no filter.
fn data(pixels: &Pixels, index: &HashMap<[u8; 3], u8>) -> Vec<u8> {
    let mut rows = Vec::with_capacity((pixels.width + 1) * pixels.height);
    let mut before = ([0; 3], index.get(&[0; 3]).copied().unwrap_or_default());
    for row in pixels.colors.chunks_exact(pixels.width) {
        rows.push(0);
        rows.extend(row.iter().map(|color| {
            if *color != before.0 {
                before = (*color, index[color]);
            }
            before.1
        }));
    }
    miniz_oxide::deflate::compress_to_vec_zlib(&rows, LEVEL)
}

/// The palette, and the place of every colour in it.
fn palette(pixels: &Pixels) -> (Vec<[u8; 3]>, HashMap<[u8; 3], u8>) {
    let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
    for run in pixels.colors.chunk_by(|a, b| a == b) {
        *counts.entry(run[0]).or_default() += run.len();
    }
    let mut counted: Vec<([u8; 3], usize)> = counts.into_iter().collect();
    // The same picture gives the same file.
    counted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let colors: Vec<[u8; 3]> = counted.into_iter().map(|(color, _)| color).collect();
    let palette = (0..).find_map(|apart| kept(&colors, apart * apart)).unwrap_or_default();
    let nearest =
        |color: &[u8; 3]| (0..palette.len()).min_by_key(|at| distance(palette[*at], *color)).unwrap_or_default();
    let index = colors.iter().map(|color| (*color, nearest(color) as u8)).collect();
    (palette, index)
}

/// The most frequent colours that are farther apart than that; none if there are too many.
fn kept(colors: &[[u8; 3]], apart: u32) -> Option<Vec<[u8; 3]>> {
    let mut kept: Vec<[u8; 3]> = Vec::new();
    for color in colors {
        if kept.iter().all(|other| distance(*other, *color) > apart) {
            if kept.len() == COLORS_MAX {
                return None;
            }
            kept.push(*color);
        }
    }
    Some(kept)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::{Pixels, encoded};

    fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        bytes.truncate(info.buffer_size());
        (info.width, info.height, bytes)
    }

    #[test]
    fn few_colors_come_back_as_they_were() {
        let colors: Vec<[u8; 3]> = (0..35_u8).map(|at| [at, 255 - at, at % 3]).collect();
        let (width, height, bytes) = decoded(&encoded(&Pixels { width: 7, height: 5, colors: colors.clone() }));
        assert_eq!((width, height, bytes.as_slice()), (7, 5, colors.as_flattened()));
    }

    #[test]
    fn of_many_colors_the_rare_ones_become_their_neighbours() {
        // Black and white fill the picture, two thousand shades stand in it once each.
        let mut colors = vec![[0; 3]; 20_000];
        colors.extend(vec![[255; 3]; 20_000]);
        colors.extend((0..2000_usize).map(|at| [(at / 8) as u8, (at / 8) as u8, (at / 8 + at % 6) as u8]));
        let pixels = Pixels { width: 420, height: 100, colors };
        let (_, _, bytes) = decoded(&encoded(&pixels));
        let worst = pixels.colors.as_flattened().iter().zip(&bytes).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(bytes[..60_000].iter().all(|byte| *byte == 0) && worst <= 4, "{worst}");
    }
}
